"""What DuckDB cannot leave out of the filter, beside all that Polars does for it.

``python -m benchmarks.ratings.filter --floor`` takes the parts one by one, in CPU seconds, the best
of the rounds. Whoever filters in DuckDB has to read the columns of the result once, to count both
keys, here as if they were in memory, and to write the rows that are left. Looking up the keys of
each row, and reading keys before it is known which rows are left, come on top.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

Part = Callable[[], object]
DUCKDB_PARTS: Final = (
    "count customers",
    "count products",
    "read the columns",
    "write what is left",
)


def floor(
    source: list[str], scratch: Path, one_shot: str, windows: Callable[[], pl.LazyFrame]
) -> Mapping[str, Part]:
    """The parts by name, each to be called and timed.

    Args:
        source: The published reviews.
        scratch: Where parts write.
        one_shot: The query of the filter over the table ``{table}``.
        windows: Polars' filter of the same files.
    """
    connection = duckdb.connect(config={"memory_limit": "2GiB", "threads": 2})
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"CREATE VIEW reviews AS FROM read_parquet({source})")
    connection.execute(f"CREATE TEMP TABLE kept AS {one_shot.format(table='reviews')}")
    connection.execute("CREATE TEMP TABLE keys AS SELECT customer_id, product_id FROM reviews")
    left = windows().collect()
    ask = partial(_ask, connection)
    wide = "max(customer_id), max(product_id), max(star_rating), max(product_title), max(category)"
    to = "(FORMAT parquet, PER_THREAD_OUTPUT true, OVERWRITE_OR_IGNORE true)"
    return {
        "count customers": partial(ask, _counted("customer_id", 5)),
        "count products": partial(ask, _counted("product_id", 10)),
        "read the columns": partial(ask, f"SELECT {wide} FROM reviews"),
        "write what is left": partial(ask, f"COPY (FROM kept) TO '{scratch}/kept' {to}"),
        "DuckDB, by hand": partial(
            ask, f"COPY ({one_shot.format(table='reviews')}) TO '{scratch}/all' {to}"
        ),
        "Polars, write what is left": partial(_sink, left.lazy(), scratch),
        "Polars, windows": lambda: _sink(windows(), scratch),
    }


def timed(parts: Mapping[str, Part], rounds: int) -> dict[str, float]:
    """CPU seconds of each part, the best of some rounds, in turns."""
    found = [{name: _cpu(part) for name, part in parts.items()} for _ in range(rounds)]
    return {name: min(seconds[name] for seconds in found) for name in parts}


def _counted(key: str, least: int) -> str:
    groups = f"SELECT {key} FROM keys GROUP BY {key} HAVING count(*) >= {least}"
    return f"SELECT count(*) FROM ({groups})"


def _ask(connection: duckdb.DuckDBPyConnection, sql: str) -> object:
    return connection.execute(sql).fetchall()


def _sink(frame: pl.LazyFrame, scratch: Path) -> None:
    frame.sink_parquet(scratch / "polars.parquet", compression="snappy")


def _cpu(part: Part) -> float:
    started = time.process_time()
    part()
    return time.process_time() - started
