"""A film rental shop: what customers pay, what they write, and what both say about them."""
