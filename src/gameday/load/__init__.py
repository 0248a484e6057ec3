"""Shoppers: steady, open-loop traffic against the edge of one storefront, and what they saw."""
