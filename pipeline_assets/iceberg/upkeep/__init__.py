"""Keeping the published tables sound: cleaning, verification and recovery."""
