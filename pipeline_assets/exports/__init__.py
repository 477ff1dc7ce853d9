"""Destinations outside the lake that an asset's rows can be written to."""
