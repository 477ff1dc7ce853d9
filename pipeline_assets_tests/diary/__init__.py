"""A domain as small as one can be, to see what the lake makes of it."""
