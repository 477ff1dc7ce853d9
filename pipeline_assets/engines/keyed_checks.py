"""Checks that compare rows of equal keys, evaluated a bucket of keys at a time.

Grouping a table by its key takes memory for every key. Rows of different keys never matter to each
other, so the same query is asked once for each bucket of keys, and memory stays what one bucket
takes, however many rows there are.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import duckdb

from pipeline_assets.engines.duckdb_sql import identifier
from spark_resources.job import KeyedCheck

BUCKET_ROWS: Final = 1 << 20
"""Rows of the smallest table involved that a bucket should have; some 60 bytes each."""
_BUCKET: Final = "bucket"


def failures_by_bucket(
    connection: duckdb.DuckDBPyConnection,
    check: KeyedCheck,
    schemas: Mapping[str, Mapping[str, str]],
    bucket_rows: int = BUCKET_ROWS,
) -> Iterator[int]:
    """Failing rows of a check, bucket by bucket.

    While a count is looked at, tables hold only the rows of its bucket; consume all of them.

    Args:
        connection: Where the tables are.
        check: Its key and its query.
        schemas: Columns of each Parquet table that the query may read, name to type.
        bucket_rows: Rows that a bucket should have.
    """
    keyed = {name: schema for name, schema in schemas.items() if schema.keys() >= set(check.key)}
    # Equal values of different types have different hashes.
    types = {tuple(schema[column] for column in check.key) for schema in keyed.values()}
    buckets = _buckets(connection, keyed, bucket_rows) if len(types) == 1 else 1
    hashed = f"hash({', '.join(map(identifier, check.key))})"
    for number in range(buckets):
        with _only(connection, keyed, f"{hashed} & {buckets - 1} = {number}"):
            yield _number(connection, check.sql)


def _buckets(connection: duckdb.DuckDBPyConnection, tables: Iterable[str], rows: int) -> int:
    """How many, a power of two: buckets are told apart by the last bits of a hash."""
    smallest = min(
        _number(connection, f"SELECT count(*) FROM {identifier(name)}") for name in tables
    )
    return 1 << max(0, (smallest - 1) // rows).bit_length()


@contextmanager
def _only(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[str], condition: str
) -> Iterator[None]:
    """Let the tables' names stand for those of their rows for which a condition holds."""
    connection.execute(f"CREATE SCHEMA {_BUCKET}")
    for name in map(identifier, tables):
        rows = f"SELECT * FROM main.{name} WHERE {condition}"
        connection.execute(f"CREATE VIEW {_BUCKET}.{name} AS {rows}")
    connection.execute(f"SET search_path = '{_BUCKET},main'")
    try:
        yield
    finally:
        connection.execute("SET search_path = 'main'")
        connection.execute(f"DROP SCHEMA {_BUCKET} CASCADE")


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    (number,) = connection.execute(sql).fetchone() or (0,)
    return int(number)
