"""What all steps of a run have in common; the process that they are forked from imports it.

Dagster starts one such process for each run, see
:attr:`pipeline_assets.orchestration.deployment.Deployment.executor`. Whatever it has imported and
built, no step imports or builds again. It opens no file of the lake and no connection, which
processes must not share.
"""

from importlib import import_module
from typing import Final

import dagster as dg

from pipeline_assets.definitions import defs

_IMPORTED_WHERE_USED: Final = (
    "ibis.backends.duckdb",
    "ibis.formats.pyarrow",
    "matplotlib.figure",
    "pipeline_assets.exports.registry",
    "pipeline_assets.iceberg.durable_catalog",
    "pipeline_assets.iceberg.growing_tables",
    "pipeline_assets.iceberg.local_files",
    "pipeline_assets.iceberg.schema",
    "pipeline_assets.iceberg.tables",
    "pipeline_assets.iceberg.upkeep.merging",
    "pipeline_assets.orchestration.resources.athena",
    "pipeline_assets.orchestration.resources.lake",
    "pipeline_assets.orchestration.resources.parts",
    "pipeline_assets.orchestration.resources.spark",
    "pyarrow.dataset",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
)
"""What functions import so that commands start quickly, and nearly every step needs."""

for name in _IMPORTED_WHERE_USED:
    import_module(name)

# An instance in memory imports what Dagster's storages need.
with dg.DagsterInstance.ephemeral():
    defs().get_repository_def()
