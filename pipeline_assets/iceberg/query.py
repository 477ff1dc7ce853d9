"""Read-only SQL over the published tables.

DuckDB reads the Parquet files of one snapshot of each table. Before the user's SQL runs, the
connection is locked to the lake's own folder.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline_assets.dataset.values.table import LakeTable, Readable, TableName
from pipeline_assets.engines.embedded.duckdb_sql import identifier, literal, source_query
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.tables import Lake, TableState
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
    sql: str, lake: Lake, declared: Iterable[LakeTable], engine: EmbeddedEngine
) -> Iterator[Answer]:
    """Run one SELECT over one snapshot of each table that it mentions.

    Args:
        sql: The statement.
        lake: Whose tables it reads.
        declared: All tables there may be. They are asked for only if the statement mentions one
            that the catalog does not know, so that they may be found when they are asked for.
        engine: Runs it.

    Raises:
        PipelineError: It is not a single SELECT, or the engine cannot run it.
    """
    with engine.connect(uses_s3=lake.access.warehouse.startswith(S3_SCHEME)) as connection:
        try:
            _lock(connection, lake)
            kinds = [statement.type for statement in connection.extract_statements(sql)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise PipelineError(
                    "query takes a single SELECT; the lake is changed by assets only"
                )
            for table in _mentioned(connection, sql, lake, declared):
                _add_view(connection, lake, table)
            connection.execute(sql)
        except duckdb.Error as error:
            raise PipelineError(str(error).splitlines()[0]) from error
        names = tuple(column[0] for column in connection.description or ())
        yield Answer(names, _rows(connection))


def _lock(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """From here on SQL can read nothing outside the lake, nor change that back."""
    connection.execute(f"SET allowed_directories = [{literal(lake.access.warehouse + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _mentioned(
    connection: duckdb.DuckDBPyConnection, sql: str, lake: Lake, declared: Iterable[LakeTable]
) -> Iterator[Readable]:
    """The tables of the lake that a statement reads; SQL does not tell capitals apart."""
    # DuckDB writes a name as `namespace.name AS alias`, with quotes where SQL needs them.
    written = connection.get_table_names(sql, qualified=True)
    names = {each.partition(" AS ")[0].replace('"', "").casefold() for each in written}
    namespaces = {name.partition(".")[0] for name in names}
    known = {str(table).casefold(): table for table in lake.published(namespaces)}
    yield from (known[name] for name in names & known.keys())
    if unknown := {name for name in names - known.keys() if "." in name}:
        yield from (table for table in declared if str(table).casefold() in unknown)


def _add_view(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Readable) -> None:
    state = lake.read(table)
    files = tuple(SourceFile(uri) for uri in state.files)
    source = Source("parquet", _columns(state, table), files)
    name = f"{identifier(table.namespace)}.{identifier(table.name)}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.namespace)}")
    connection.execute(f"CREATE VIEW {name} AS {source_query(source)}")


def _columns(state: TableState, table: Readable) -> Mapping[str, str]:
    """The types by column, as jobs write them; those of its contract before the first publish."""
    if isinstance(table, TableName) or state.columns:
        return {name: type_.replace(" ", "") for name, type_ in state.columns.items()}
    from pipeline_assets.dataset.sql import schema_names

    return schema_names(table.contract.schema)


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    while batch := connection.fetchmany(10_000):
        yield from batch
