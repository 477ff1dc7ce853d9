"""Dagster definitions that are no datasets of the lake: what ``dg scaffold defs`` writes goes here.

Whatever Dagster object or component a module or folder below this one holds is part of the code
location. Datasets of the lake are found in :mod:`pipeline_assets.domains` instead.
"""
