"""The SQL that DuckDB needs around a job's own query: sources as views, files out, access to S3."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

import duckdb
import duckdb_extension_httpfs

from pipeline_assets.storage.s3_access import S3Access
from spark_resources.job import Destination, Source, SourceFile

# A separator that raw text never holds: extraction escapes the lines that do.
LINE_SEPARATOR: Final = "\x1c\x1d\x1e\x1f"
# Extraction keeps lines below 1 MiB; a larger limit makes DuckDB ask for far larger buffers.
MAX_LINE_BYTES: Final = 2_000_000
FILE_BYTES: Final = 256 * 1024 * 1024
NUMBERED_SCANS: Final = 16
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
    """An Iceberg type name as DuckDB writes it.

    >>> sql_type("list<float>"), sql_type("decimal(18,5)")
    ('FLOAT[]', 'DECIMAL(18,5)')
    """
    if name.startswith("list<"):
        return sql_type(name.removeprefix("list<").removesuffix(">")) + "[]"
    return _TYPES[name] if name in _TYPES else name.upper()


def source_query(source: Source) -> str:
    """A SELECT over a source's files with exactly the columns of its schema.

    Files written before a column was added lack it; joined by name with no rows that have it, they
    have nulls there.
    """
    nothing = f"SELECT {_typed_nulls(source)} WHERE false"
    if not source.files:
        return nothing
    if source.format == "parquet":
        written = f"SELECT * FROM {parquet(file.uri for file in source.files)}"
        return conform(f"{nothing} UNION ALL BY NAME {written}", source.schema)
    runs = groupby(source.files, key=lambda file: tuple(sorted(file.constants.items())))
    scans = (scan for _, files in runs for scan in _scans(list(files), source))
    return " UNION ALL ".join(_lines(scan, source) for scan in scans)


def conform(sql: str, schema: Mapping[str, str], destination: Destination | None = None) -> str:
    """Exactly the columns of a schema, in its types: a sum of BIGINT, for one, is a HUGEINT."""
    types = {name: f"CAST({identifier(name)} AS {sql_type(it)})" for name, it in schema.items()}
    columns = types | (_key(schema, destination) if destination else {})
    listed = ", ".join(f"{cast} AS {identifier(name)}" for name, cast in columns.items())
    return f"SELECT {listed} FROM ({sql})"


def _key(schema: Mapping[str, str], destination: Destination) -> dict[str, str]:
    """A single key as an enumeration of one: text that costs next to nothing to write.

    What is not the key becomes NULL: an audit refuses that as it would refuse another partition.
    """
    column = destination.partition_column
    if column is None or not destination.is_one_partition or schema[column] != "string":
        return {}
    (key,) = destination.partition_keys
    return {column: f"TRY_CAST({identifier(column)} AS ENUM ({literal(key)}))"}


def parquet(uris: Iterable[str]) -> str:
    """A table function over Parquet files; folder names are no data, the files are complete."""
    return f"read_parquet({_strings(uris)}, union_by_name = true, hive_partitioning = false)"


def copy_statement(sql: str, destination: Destination) -> str:
    """Write a query's rows as Parquet, several files at once; returns the files' statistics."""
    split = (
        f"PARTITION_BY ({identifier(destination.partition_column)}), WRITE_PARTITION_COLUMNS true"
        if destination.partition_column and len(destination.partition_keys) > 1
        else f"PER_THREAD_OUTPUT true, FILE_SIZE_BYTES {FILE_BYTES}"
    )
    options = f"FORMAT parquet, {split}, OVERWRITE_OR_IGNORE true, RETURN_STATS true"
    return f"COPY ({sql}) TO {literal(destination.uri)} ({options})"


def csv_statement(sql: str, uri: str) -> str:
    """Write a query's rows as one CSV object; returns their number."""
    return f"COPY ({sql}) TO {literal(uri)} (FORMAT csv, HEADER true, FORCE_QUOTE *)"


def enable_s3(connection: duckdb.DuckDBPyConnection, access: S3Access) -> None:
    """Load the pip-installed httpfs extension and hand it today's credentials."""
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
        **_endpoint(access),
    }
    written = ", ".join(f"{name} {literal(value)}" for name, value in options.items() if value)
    connection.execute(f"CREATE SECRET lake (TYPE s3, {written})")


def identifier(name: str | None) -> str:
    """Quote a name."""
    return '"' + str(name).replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string."""
    return "'" + text.replace("'", "''") + "'"


def _endpoint(access: S3Access) -> dict[str, str]:
    if not access.endpoint_url:
        return {}
    url = urlparse(access.endpoint_url)
    return {"ENDPOINT": url.netloc, "URL_STYLE": "path", "USE_SSL": str(url.scheme == "https")}


def _scans(files: list[SourceFile], source: Source) -> Iterator[list[SourceFile]]:
    """Lines of one scan are numbered by one thread, so other threads need scans of their own."""
    count = NUMBERED_SCANS if "line_number" in source.schema else 1
    size = -(-len(files) // count)
    return (files[start : start + size] for start in range(0, len(files), size))


def _lines(files: list[SourceFile], source: Source) -> str:
    """Files that share their constants, as one table; numbered only where the schema asks."""
    columns = {
        "line": "line",
        "line_number": f"{files[0].first_line - 1} + row_number() OVER ()",
        **{name: literal(value) for name, value in files[0].constants.items()},
    }
    selected = ", ".join(
        f"CAST({columns[name]} AS {sql_type(type_)}) AS {identifier(name)}"
        for name, type_ in source.schema.items()
    )
    return f"SELECT {selected} FROM {_read_lines(file.uri for file in files)}"


def _read_lines(uris: Iterable[str]) -> str:
    return (
        f"read_csv({_strings(uris)}, columns = {{'line': 'VARCHAR'}}, header = false, "
        f"auto_detect = false, delim = '{LINE_SEPARATOR}', quote = '', escape = '', "
        f"new_line = '\\n', strict_mode = false, force_not_null = ['line'], "
        f"max_line_size = {MAX_LINE_BYTES})"
    )


def _typed_nulls(source: Source) -> str:
    return ", ".join(
        f"CAST(NULL AS {sql_type(type_)}) AS {identifier(name)}"
        for name, type_ in source.schema.items()
    )


def _strings(values: Iterable[str]) -> str:
    return "[" + ", ".join(literal(value) for value in values) + "]"
