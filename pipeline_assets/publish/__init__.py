"""From a declared asset to a published partition.

Attempt, audit, metadata, the Dagster asset and the IO managers.
"""
