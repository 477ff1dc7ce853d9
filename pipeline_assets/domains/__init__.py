"""One folder per vendor's data: contracts, source, assets, checks, plots, parsing.

A domain imports the rooms that describe datasets and read what lands. It never imports another
domain, an engine, or anything that publishes.
"""
