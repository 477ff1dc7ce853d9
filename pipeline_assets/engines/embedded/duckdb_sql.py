"""The SQL that DuckDB needs around a job's own query.

Sources become views, the output becomes Parquet or CSV files, and a secret gives access to S3.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

import duckdb
import duckdb_extension_httpfs

from pipeline_assets.engines.standard_sql import identifier, literal
from pipeline_assets.storage.s3_access import S3Access
from spark_resources.job import Destination, Source, SourceFile

# Raw text never holds this separator, because extraction escapes such lines.
LINE_SEPARATOR: Final = "\x1c\x1d\x1e\x1f"
# Extraction keeps lines below 1 MiB. With a larger limit DuckDB allocates far larger buffers.
MAX_LINE_BYTES: Final = 2_000_000
FILE_BYTES: Final = 256 * 1024 * 1024
NUMBERED_SCANS: Final = 16
# To write a row group DuckDB takes several times its size beyond the memory limit, and a hundred
# thousand rows of long lists are hundreds of megabytes.
ROW_GROUP_BYTES: Final = 64 * 1024 * 1024
JOINS_AS_WRITTEN: Final = "SET disabled_optimizers = 'join_order,build_side_probe_side'"
"""Joins hold their right side in memory, as they are written.

DuckDB takes any text for a few thousand lines, so it would hold gigabytes of text in memory to join
them with a table that it knows to be longer.
"""
JOINS_AT_CHOICE: Final = "RESET disabled_optimizers"
_TYPES: Final = {
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
}


def sql_type(name: str) -> str:
    """The DuckDB name of an Iceberg type.

    >>> sql_type("list<float>"), sql_type("decimal(18,5)")
    ('FLOAT[]', 'DECIMAL(18,5)')
    """
    if name.startswith("list<"):
        return sql_type(name.removeprefix("list<").removesuffix(">")) + "[]"
    return _TYPES[name] if name in _TYPES else name.upper()


def source_query(source: Source) -> str:
    """A SELECT over a source's files with exactly the columns of its schema.

    Files that were written before a column was added lack it. The union by name with an empty table
    that has all columns fills it with nulls. So it does with the former names of a column, of which
    each file has at most one.
    """
    types = dict(source.schema)
    types |= {old: types[name] for name, olds in source.former.items() for old in olds}
    nulls = ", ".join(
        f"CAST(NULL AS {sql_type(type_)}) AS {identifier(name)}" for name, type_ in types.items()
    )
    nothing = f"SELECT {nulls} WHERE false"
    if not source.files:
        return (
            f"SELECT {', '.join(map(identifier, source.schema))} FROM ({nothing})"
            if source.former
            else nothing
        )
    if source.format == "parquet":
        written = f"SELECT * FROM {parquet(file.uri for file in source.files)}"
        return conform(_renamed(f"{nothing} UNION ALL BY NAME {written}", source), source.schema)
    runs = groupby(source.files, key=lambda file: tuple(sorted(file.constants.items())))
    scans = (scan for _, files in runs for scan in _scans(list(files), source))
    return " UNION ALL ".join(_lines(scan, source) for scan in scans)


def _renamed(sql: str, source: Source) -> str:
    if not source.former:
        return sql
    names = {
        name: ", ".join(map(identifier, (name, *source.former.get(name, ()))))
        for name in source.schema
    }
    listed = ", ".join(f"COALESCE({each}) AS {identifier(name)}" for name, each in names.items())
    return f"SELECT {listed} FROM ({sql})"


def conform(sql: str, schema: Mapping[str, str], destination: Destination | None = None) -> str:
    """A query of exactly the columns of a schema in its types; a sum of BIGINT is a HUGEINT."""
    types = {name: f"CAST({identifier(name)} AS {sql_type(it)})" for name, it in schema.items()}
    columns = types | (_partition_column(schema, destination) if destination else {})
    listed = ", ".join(f"{cast} AS {identifier(name)}" for name, cast in columns.items())
    return f"SELECT {listed} FROM ({sql})"


def _partition_column(schema: Mapping[str, str], destination: Destination) -> dict[str, str]:
    """The partition column of a single partition, cast to an enumeration of one value.

    Writing the enumeration costs next to nothing. A row of another partition becomes NULL there,
    which the audit refuses.
    """
    column = destination.partition_column
    if column is None or not destination.is_one_partition or schema[column] != "string":
        return {}
    (key,) = destination.partition_keys
    return {column: f"TRY_CAST({identifier(column)} AS ENUM ({literal(key)}))"}


def parquet(uris: Iterable[str]) -> str:
    """A table function over Parquet files; columns come from the files, not from folder names."""
    return f"read_parquet({_strings(uris)}, union_by_name = true, hive_partitioning = false)"


def copy_statement(sql: str, destination: Destination, *, keeps_order: bool) -> str:
    """A statement that writes a query's rows as Parquet files and returns their statistics.

    Args:
        sql: The query.
        destination: Where to.
        keeps_order: Whether rows keep their order; DuckDB then counts the rows of a row group only.
    """
    split = (
        f"PARTITION_BY ({identifier(destination.partition_column)}), WRITE_PARTITION_COLUMNS true"
        if destination.partition_column and len(destination.partition_keys) > 1
        else f"PER_THREAD_OUTPUT true, FILE_SIZE_BYTES {FILE_BYTES}"
    )
    groups = "" if keeps_order else f"ROW_GROUP_SIZE_BYTES {ROW_GROUP_BYTES}, "
    options = f"FORMAT parquet, {split}, {groups}OVERWRITE_OR_IGNORE true, RETURN_STATS true"
    return f"COPY ({sql}) TO {literal(destination.uri)} ({options})"


def csv_statement(sql: str, uri: str) -> str:
    """A statement that writes a query's rows as one CSV object and returns their number."""
    return f"COPY ({sql}) TO {literal(uri)} (FORMAT csv, HEADER true, FORCE_QUOTE *)"


def enable_s3(connection: duckdb.DuckDBPyConnection, access: S3Access) -> None:
    """Load the httpfs extension that pip has installed, and give it the present credentials."""
    extension = (
        Path(duckdb_extension_httpfs.__file__).parent
        / f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"
    )
    connection.execute(f"LOAD {literal(str(extension))}")
    credentials = access.credentials()
    options = {
        "KEY_ID": credentials["access_key"],
        "SECRET": credentials["secret_key"],
        "SESSION_TOKEN": credentials.get("token"),
        "REGION": access.region_name,
        "KMS_KEY_ID": access.kms_key_id,
    }
    if access.endpoint_url:
        url = urlparse(access.endpoint_url)
        options |= {
            "ENDPOINT": url.netloc,
            "URL_STYLE": "path",
            "USE_SSL": str(url.scheme == "https"),
        }
    written = ", ".join(f"{name} {literal(value)}" for name, value in options.items() if value)
    connection.execute(f"CREATE SECRET lake (TYPE s3, {written})")


def _scans(files: list[SourceFile], source: Source) -> Iterator[list[SourceFile]]:
    """Divide files into scans.

    One thread numbers the lines of a scan, so several scans let other threads work as well.
    """
    count = NUMBERED_SCANS if "line_number" in source.schema else 1
    size = -(-len(files) // count)
    return (files[start : start + size] for start in range(0, len(files), size))


def _lines(files: list[SourceFile], source: Source) -> str:
    """A query of files that share their constants; lines are numbered if the schema has numbers."""
    columns = {
        "line": "line",
        "line_number": f"{files[0].first_line - 1} + row_number() OVER ()",
        **{name: literal(value) for name, value in files[0].constants.items()},
    }
    selected = ", ".join(
        f"CAST({columns[name]} AS {sql_type(type_)}) AS {identifier(name)}"
        for name, type_ in source.schema.items()
    )
    uris = _strings(file.uri for file in files)
    lines = (
        f"read_csv({uris}, columns = {{'line': 'VARCHAR'}}, header = false, "
        f"auto_detect = false, delim = '{LINE_SEPARATOR}', quote = '', escape = '', "
        f"new_line = '\\n', strict_mode = false, force_not_null = ['line'], "
        f"max_line_size = {MAX_LINE_BYTES})"
    )
    return f"SELECT {selected} FROM {lines}"


def _strings(values: Iterable[str]) -> str:
    return "[" + ", ".join(literal(value) for value in values) + "]"
