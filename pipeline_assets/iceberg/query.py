"""Read-only SQL over the published tables.

DuckDB reads the Parquet files of one snapshot of each table. Before the user's SQL runs, the
connection is locked to the lake's own folder.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.engines.embedded.duckdb_sql import identifier, literal, source_query
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.storage.s3_access import S3_SCHEME
from spark_resources.job import Source, SourceFile

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """The rows of a query, fetched while somebody iterates over them."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


@contextmanager
def query(
    sql: str, lake: Lake, tables: Iterable[LakeTable], engine: EmbeddedEngine
) -> Iterator[Answer]:
    """Run one SELECT over one snapshot of each table that it mentions.

    Raises:
        PipelineError: It is not a single SELECT, or the engine cannot run it.
    """
    mentioned = [table for table in tables if _mentions(sql, table)]
    lake.require_newest(mentioned)
    with engine.connect(uses_s3=lake.access.warehouse.startswith(S3_SCHEME)) as connection:
        try:
            for table in mentioned:
                _add_view(connection, lake, table)
            # From here on the SQL can read nothing outside the lake, nor change that back.
            connection.execute(
                f"SET allowed_directories = [{literal(lake.access.warehouse + '/')}]"
            )
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            kinds = [statement.type for statement in connection.extract_statements(sql)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise PipelineError(
                    "query takes a single SELECT; the lake is changed by assets only"
                )
            connection.execute(sql)
        except duckdb.Error as error:
            raise PipelineError(str(error).splitlines()[0]) from error
        names = tuple(column[0] for column in connection.description or ())
        yield Answer(names, _rows(connection))


def _mentions(sql: str, table: LakeTable) -> bool:
    return re.search(rf'\b{table.namespace}"?\."?{table.name}\b', sql, re.IGNORECASE) is not None


def _add_view(connection: duckdb.DuckDBPyConnection, lake: Lake, table: LakeTable) -> None:
    files = tuple(SourceFile(uri) for uri in lake.read(table).files)
    source = Source("parquet", schema_names(table.contract.schema), files)
    name = f"{identifier(table.namespace)}.{identifier(table.name)}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.namespace)}")
    connection.execute(f"CREATE VIEW {name} AS {source_query(source)}")


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    while batch := connection.fetchmany(10_000):
        yield from batch
