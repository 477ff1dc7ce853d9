"""Releases are made, compared and given up here; they are read in ``reading/release.py``."""
