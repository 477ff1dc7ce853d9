"""A release in the formats of other trainers: a module for each, with one function, ``write``.

What a format has no place for is counted and told, never dropped in silence.
"""
