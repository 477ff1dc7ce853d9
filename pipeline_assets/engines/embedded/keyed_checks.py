"""Checks that compare rows of equal keys, such as uniqueness, one range of keys at a time.

Grouping a table by its key takes memory for every key. Rows of different keys do not matter to each
other, so the check's query runs once for each range of an integer column of the key, and memory
holds one range. Parquet stores the smallest and greatest value of each row group. Where rows come
in the order of their keys, as in most deliveries, all ranges together read every row about once.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

import duckdb

from pipeline_assets.engines.standard_sql import identifier
from spark_resources.job import KeyedCheck

RANGE_ROWS: Final = 1 << 18
"""Rows of the smallest table in one range; each takes some 60 bytes of memory."""
MAP_BITS: Final = 1 << 28
"""Bits of the largest map of numbers: 32 MiB for each thread."""
_MAP_BITS_OF_A_ROW: Final = 64
_INTEGERS: Final = frozenset({"int", "long"})
_RANGE: Final = "one_range"


def failures_by_range(
    connection: duckdb.DuckDBPyConnection,
    check: KeyedCheck,
    schemas: Mapping[str, Mapping[str, str]],
    range_rows: int = RANGE_ROWS,
) -> Iterator[int]:
    """Count the failing rows of a check, range by range.

    Until the next count is asked for, the tables hold only the rows of the range. Consume all
    counts, so that the tables are whole again.

    Args:
        connection: The connection that has the tables.
        check: Its key and its query.
        schemas: Column types of each Parquet table that the query may read.
        range_rows: Number of rows in a range.
    """
    keyed = {name: schema for name, schema in schemas.items() if schema.keys() >= set(check.key)}
    integers = [
        column
        for column in check.key
        if all(schema[column] in _INTEGERS for schema in keyed.values())
    ]
    finest = integers[-1] if integers else None  # keys are listed from coarse to fine
    if check.is_unique and finest and _all_differ(connection, finest):
        yield 0
        return
    ranges = _ranges(connection, keyed, finest, range_rows) if finest else []
    for condition in ranges:
        with _only(connection, keyed, condition):
            yield _number(connection, check.sql)
    if not ranges:
        yield _number(connection, check.sql)


def _all_differ(connection: duckdb.DuckDBPyConnection, column: str) -> bool:
    """Whether no two rows of the output have the same number in a column.

    If so, every key with this column is unique. A map of bits finds that out in a quarter of the
    time that grouping takes. The answer is no where rows share a number or where the numbers lie
    too far apart for a map; then only grouping tells whether keys repeat.
    """
    name = identifier(column)
    rows, least, greatest = connection.execute(
        f"SELECT count(*), min({name}), max({name}) FROM output"
    ).fetchone() or (0, None, None)
    if least is None:
        return False
    if not rows <= greatest - least + 1 <= min(rows * _MAP_BITS_OF_A_ROW, MAP_BITS):
        return False
    marks = f"bitstring_agg({name}, {least}, {greatest})"
    return _number(connection, f"SELECT bit_count({marks}) FROM output") == int(rows)


def _ranges(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[str], column: str, rows: int
) -> list[str]:
    """Conditions of which each row meets exactly one; none where one range is enough."""
    sizes = {
        name: _number(connection, f"SELECT count(*) FROM {identifier(name)}") for name in tables
    }
    smallest, key = min(sizes, key=lambda name: sizes[name]), identifier(column)
    ranges = -(-sizes[smallest] // rows)
    ends = f"SELECT min({key}), max({key}) FROM {identifier(smallest)}"
    least, greatest = (connection.execute(ends).fetchone() if ranges > 1 else None) or (None, None)
    if least is None:
        return []
    cuts = [least + (greatest - least + 1) * turn // ranges for turn in range(1, ranges)]
    between = [f"{key} >= {lower} AND {key} < {upper}" for lower, upper in pairwise(cuts)]
    # Open at both ends: the other tables may hold smaller and greater keys.
    return [f"{key} IS NULL", f"{key} < {cuts[0]}", *between, f"{key} >= {cuts[-1]}"]


@contextmanager
def _only(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[str], condition: str
) -> Iterator[None]:
    """Make the tables' names stand for only those of their rows that meet a condition."""
    connection.execute(f"CREATE SCHEMA {_RANGE}")
    for name in map(identifier, tables):
        rows = f"SELECT * FROM main.{name} WHERE {condition}"
        connection.execute(f"CREATE VIEW {_RANGE}.{name} AS {rows}")
    connection.execute(f"SET search_path = '{_RANGE},main'")
    try:
        yield
    finally:
        connection.execute("SET search_path = 'main'")
        connection.execute(f"DROP SCHEMA {_RANGE} CASCADE")


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    (number,) = connection.execute(sql).fetchone() or (0,)
    return int(number)
