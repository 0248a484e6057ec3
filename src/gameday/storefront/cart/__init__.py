"""Carts: what a shopper means to buy. Kept in the database or, as a weakness, in the memory of one pod."""
