"""Contracts, audit, publish, lineage, landing: what turns a function into a dataset."""
