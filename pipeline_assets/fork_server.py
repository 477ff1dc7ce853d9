"""What all steps of a run have in common; the process that they are forked from imports it.

It is the process of the run itself on Linux, see
:class:`pipeline_assets.orchestration.forked_steps.ForkedSteps`; elsewhere Dagster starts one for
each run. Whatever it has imported and built, no step imports or builds again. It opens no file of
the lake and no connection, which processes must not share.
"""

from typing import Final

import dagster as dg
import matplotlib.figure
import pyarrow.dataset
import pyiceberg.catalog.sql
import pyiceberg.io.pyarrow
from ibis.backends import duckdb
from ibis.formats import pyarrow as ibis_and_pyarrow

from pipeline_assets.definitions import defs
from pipeline_assets.engines.embedded import engine
from pipeline_assets.exports import registry
from pipeline_assets.iceberg import growing_tables, local_files, schema, tables
from pipeline_assets.iceberg.catalogs import durable_catalog
from pipeline_assets.iceberg.upkeep import merging
from pipeline_assets.landing import delimited_reader, structured_files
from pipeline_assets.learning import comprehend, kinds
from pipeline_assets.orchestration import sqlite_storage
from pipeline_assets.orchestration.resources import athena, lake, parts, spark

IMPORTED_WHERE_USED: Final = (
    *(duckdb, ibis_and_pyarrow, matplotlib.figure, pyarrow.dataset),
    *(pyiceberg.catalog.sql, pyiceberg.io.pyarrow),
    *(registry, growing_tables, schema, tables, merging, durable_catalog, local_files),
    *(engine, comprehend, kinds, delimited_reader, structured_files),
    *(sqlite_storage, athena, lake, parts, spark),
)
"""What functions import so that commands start quickly, and nearly every step needs."""

# An instance in memory imports what Dagster's storages need.
with dg.DagsterInstance.ephemeral():
    defs().get_repository_def()
