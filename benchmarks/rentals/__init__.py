"""Rentals: timings and quality against hand-written peers."""
