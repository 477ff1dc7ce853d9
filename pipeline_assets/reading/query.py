"""Read-only SQL over the published tables.

DuckDB reads the Parquet files of one snapshot of each table. Before the user's SQL runs, the
connection is locked to the lake's own folder.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import duckdb

from pipeline_assets.dataset.values.table import LakeTable, Readable, TableName
from pipeline_assets.dataset.values.texts import did_you_mean
from pipeline_assets.engines.embedded.duckdb_sql import source_query
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.engines.embedded.interruption import interrupted_after, interruptibly
from pipeline_assets.engines.embedded.parsed_sql import nodes, parsed, table_name
from pipeline_assets.engines.standard_sql import identifier, literal
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.agreement import as_new_as_storage, load
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.iceberg.moment import Moment
from pipeline_assets.iceberg.past import PRESENT, Version
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.reading.published_table import columns_of
from pipeline_assets.storage.environments import lake_of
from pipeline_assets.storage.s3_access import S3_SCHEME
from spark_resources.job import Source

Row = tuple[Any, ...]
# DuckDB's SHOW TABLES names no tables outside the schema `main`, where the lake has none.
_SHOW_TABLES: Final = re.compile(r"\s*show\s+(all\s+)?tables\s*;?\s*", re.IGNORECASE)
_LIST_TABLES: Final = """
    SELECT table_schema || '.' || table_name AS table_name FROM information_schema.tables ORDER BY 1
"""
_INFORMATION: Final = "information_schema"
_EXPLAIN: Final = re.compile(r"^\s*explain(\s+analyze)?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """The rows of a query, fetched while somebody iterates over them."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


@dataclass(frozen=True)
class _View:
    """What a statement reads of a table: a SELECT, and the files that it names."""

    table: Readable
    sql: str
    files: tuple[str, ...] = ()


@contextmanager
def query(
    sql: str,
    lake: Lake,
    declared: Iterable[LakeTable],
    engine: EmbeddedEngine,
    *,
    version: Version = PRESENT,
    seconds: float | None = None,
) -> Iterator[Answer]:
    """Run one SELECT over one snapshot of each table that it mentions.

    SHOW TABLES and ``information_schema`` list every table that the catalog knows.

    Args:
        sql: The statement.
        lake: Whose tables it reads.
        declared: All tables there may be. They are asked for only if the statement mentions one
            that the catalog does not know, so that they may be found when they are asked for.
        engine: Runs it.
        version: Which snapshot of each table is read.
        seconds: How long it may take until its last row is read; None for as long as it takes.

    Raises:
        PipelineError: It is not a single SELECT, the engine cannot run it, or it takes too long.
    """
    asked: list[LakeTable] = []
    files: dict[str, str] = {}
    sql = _LIST_TABLES if _SHOW_TABLES.fullmatch(sql) else sql
    with (
        OpenLake(lake.access, engine) as opened,
        engine.connect(uses_s3=lake.access.warehouse.startswith(S3_SCHEME)) as connection,
        interrupted_after(connection, seconds),
    ):
        try:
            # Until the doors are closed the statement is only parsed.
            explained = _EXPLAIN.sub("", sql)
            _require_select(connection, explained)
            known = Moment(lake.access)
            mentioned = _mentioned(connection, explained, known, _noted(declared, asked))
            views = [_view(opened, table, version) for table in mentioned]
            _lock(connection, lake, [lake.location(view.table) for view in views])
            for view in views:
                files |= dict.fromkeys(view.files, str(view.table))
                _add(connection, view)
            interruptibly(connection, partial(connection.execute, sql))
            names = tuple(column[0] for column in connection.description or ())
            # Errors of rows that are fetched later come back to this line.
            yield Answer(names, _rows(connection))
        except duckdb.CatalogException as error:
            raise PipelineError(_unknown_table(error, sorted(map(str, asked)))) from error
        except duckdb.InterruptException as error:
            raise PipelineError(f"It took longer than {seconds:g} seconds") from error
        except duckdb.Error as error:
            raise PipelineError(_damage_told(error, files)) from error


def _require_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    kinds = [statement.type for statement in connection.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise PipelineError(
            "query takes a single SELECT, or EXPLAIN and a SELECT; the lake is changed by "
            "assets only"
        )


def _noted(tables: Iterable[LakeTable], asked: list[LakeTable]) -> Iterator[LakeTable]:
    for table in tables:
        asked.append(table)
        yield table


def _unknown_table(error: duckdb.Error, known: Sequence[str]) -> str:
    """What is wrong with a name, and which table may have been meant."""
    found = re.search(r'Table with name "?([^" ]+)"?', str(error))
    if found is None:
        return _in_one_line(error)
    hint = did_you_mean(found[1], known) if known else "write it as in music.users"
    return f"There is no table {found[1]}; {hint}"


def _damage_told(error: duckdb.Error, files: Mapping[str, str]) -> str:
    """What DuckDB says; of a file that it cannot read also whose it is, and what to run.

    Of damage in the structure of Parquet DuckDB names no file, and has no class of its own.
    """
    said, is_unnamed = _in_one_line(error), type(error) is duckdb.Error
    tables = sorted({table for uri, table in files.items() if is_unnamed or uri in said})
    return "; ".join([said, *(f"run: pipeline-assets verify {table} --deep" for table in tables)])


def _in_one_line(error: duckdb.Error) -> str:
    """What DuckDB says, with the columns it proposes, and without the picture of the place."""
    said, _, _ = str(error).partition("\n\nLINE ")
    return " ".join(said.split())


def _lock(connection: duckdb.DuckDBPyConnection, lake: Lake, locations: Iterable[str]) -> None:
    """From here on SQL can read the lake and these tables, nothing else, nor change that back."""
    # The files of clones lie in the lake around an environment; a catalog that chooses places may
    # have put tables outside of the lake.
    homes = (lake_of(lake.access.warehouse), *locations)
    folders = ", ".join(literal(f"{home}/") for home in homes)
    connection.execute(f"SET allowed_directories = [{folders}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _mentioned(
    connection: duckdb.DuckDBPyConnection, sql: str, lake: Lake, declared: Iterable[LakeTable]
) -> Iterator[Readable]:
    """The tables of the lake that a statement reads; SQL does not tell capitals apart."""
    names = _names(connection, sql)
    namespaces = _namespaces(names)
    if _INFORMATION in namespaces:
        yield from lake.published()
        return
    known = {str(table).casefold(): table for table in lake.published(namespaces)}
    yield from (known[name] for name in names & known.keys())
    if unknown := {name for name in names - known.keys() if "." in name}:
        yield from (table for table in declared if str(table).casefold() in unknown)


def _names(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """The tables that a statement reads, as `namespace.name` in small letters."""
    tree = parsed(connection, sql)
    if not tree["error"]:
        tables = (node for node in nodes(tree) if node.get("type") == "BASE_TABLE")
        return {table_name(it).casefold() for it in tables}
    # A PIVOT and its like have no tree. DuckDB writes a name as `namespace.name AS alias`.
    written = connection.get_table_names(sql, qualified=True)
    return {each.partition(" AS ")[0].replace('"', "").casefold() for each in written}


def _namespaces(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def _view(opened: OpenLake, table: Readable, version: Version) -> _View:
    """What a table is in a statement; one that was never published is empty at present.

    Raises:
        PipelineError: It cannot be read, or there was nothing yet at the moment that is asked for.
    """
    with one_line_errors(f"read {table}"):
        is_known = isinstance(table, TableName)
        iceberg = opened.iceberg(str(table)) if is_known else load(opened.access, table)
        as_new_as_storage(opened.access, table, iceberg)
    if _is_published(opened, table):
        found = opened.table(str(table), snapshot=version.snapshot_id, as_of=version.as_of)
        return _View(table, found.sql, found.files)
    if version != PRESENT:
        raise PipelineError(f"{table} was never published")
    return _View(table, source_query(Source("parquet", _declared(opened, table), ())))


def _is_published(opened: OpenLake, table: Readable) -> bool:
    # One that the catalog knows has no snapshot if its first publish has failed.
    is_known = isinstance(table, TableName)
    return is_known and opened.iceberg(str(table)).current_snapshot() is not None


def _declared(opened: OpenLake, table: Readable) -> Mapping[str, str]:
    """The types by column, as jobs write them, before the first publish."""
    if isinstance(table, TableName):
        return columns_of(opened.iceberg(str(table)).schema())
    from pipeline_assets.dataset.sql import schema_names

    return schema_names(table.contract.schema)


def _add(connection: duckdb.DuckDBPyConnection, view: _View) -> None:
    domain, name = identifier(view.table.namespace), identifier(view.table.name)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {domain}")
    connection.execute(f"CREATE VIEW {domain}.{name} AS {view.sql}")


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    while batch := interruptibly(connection, partial(connection.fetchmany, 10_000)):
        yield from batch
