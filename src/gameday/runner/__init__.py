"""A game day: plan it, give each experiment a storefront of its own, run, watch, undo, prove, judge."""
