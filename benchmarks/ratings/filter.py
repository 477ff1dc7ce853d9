"""Filtered ratings beside what one would write by hand in Polars and in DuckDB.

    python -m benchmarks.ratings.filter --scale 100

All read the published reviews of one category and write the rows that are left as Parquet.
``filter`` is what ours spends on executing and writing, ``whole asset`` also has its audit, the
picture, the Iceberg commit, Dagster and all metadata. Polars has two ways, windows and semi joins;
the better one counts. ``--floor`` shows what DuckDB cannot leave out of ``one_shot``.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import dagster as dg
import duckdb
import polars as pl

from benchmarks.harness import Outcome, Race, markdown
from benchmarks.ratings.filter_floor import DUCKDB_PARTS, floor, timed
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains import ratings
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.settings import Settings

ASSETS = datasets_in(ratings).assets

Keep: TypeAlias = Callable[[pl.LazyFrame], pl.LazyFrame]

CATEGORY: Final = "Digital_Video_Download"
COLUMNS: Final = ("customer_id", "product_id", "star_rating", "product_title", "category")
CUSTOMER_ROWS: Final = 5
PRODUCT_ROWS: Final = 10
ROWS: Final = "dagster/partition_row_count"
METHODS: Final = ("one_shot", "k_core")
RIVALS: Final = ("DuckDB", "Polars, windows", "Polars, joins")
ONE_SHOT: Final = """
    SELECT customer_id, product_id, star_rating, product_title, category FROM {table}
    WHERE customer_id IN (
        SELECT customer_id FROM {table} GROUP BY customer_id HAVING count(*) >= 5
    ) AND product_id IN (
        SELECT product_id FROM {table} GROUP BY product_id HAVING count(*) >= 10
    )"""


def materialise(
    folder: Path, *names: str, config: Mapping[str, Any] | None = None
) -> dg.ExecuteInProcessResult:
    """Make tables of the category; ``config`` is that of the filter."""
    warnings.simplefilter("ignore")
    settings = Settings(lake_uri=str(folder / "lake"), landing_uri=str(folder / "landing"))
    job = build_definitions(settings, assets=ASSETS).resolve_implicit_global_asset_job_def()
    ops = {"ratings__filtered_ratings": {"config": dict(config)}} if config else {}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("category", [CATEGORY])
        return job.execute_in_process(
            partition_key=CATEGORY,
            asset_selection=[dg.AssetKey(["ratings", name]) for name in names],
            run_config={"ops": ops, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
        )


def ours(source: Path, _target: Path, method: str) -> Outcome:
    """The project's asset."""
    started = time.perf_counter()
    result = materialise(source, "filtered_ratings", config={"method": method})
    whole = time.perf_counter() - started
    (event,) = result.asset_materializations_for_node("ratings__filtered_ratings")
    measured = {name: event.metadata[name].value for name in ("seconds/write", ROWS)}
    return {
        "seconds": float(str(measured["seconds/write"])),
        "whole": whole,
        "rows": float(str(measured[ROWS])),
    }


def files(source: Path) -> list[str]:
    """The published reviews of the category."""
    return sorted(str(path) for path in source.glob("lake/ratings/reviews/data/*/*.parquet"))


def with_duckdb(source: Path, target: Path, method: str) -> Outcome:
    """In SQL."""
    started = time.perf_counter()
    connection = duckdb.connect(config={"memory_limit": "2GiB"})
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"CREATE VIEW reviews AS FROM read_parquet({files(source)})")
    query = ONE_SHOT.format(table="reviews")
    if method == "k_core":
        query = f"FROM {_duckdb_core(connection)}"
    (rows,) = connection.execute(
        f"COPY ({query}) TO '{target}/out' (FORMAT parquet, PER_THREAD_OUTPUT true)"
    ).fetchone() or (0,)
    return {"seconds": time.perf_counter() - started, "rows": float(rows)}


def _duckdb_core(connection: duckdb.DuckDBPyConnection) -> str:
    """Filter one table into the next until the number of rows stays the same."""
    table, before = "reviews", -1
    for turn in count(1):
        connection.execute(f"CREATE TABLE round_{turn} AS {ONE_SHOT.format(table=table)}")
        (rows,) = connection.execute(f"SELECT count(*) FROM round_{turn}").fetchone() or (0,)
        table = f"round_{turn}"
        if rows == before:
            break
        before = rows
    return table


def with_windows(source: Path, target: Path, method: str) -> Outcome:
    """In Polars, counting with window functions."""
    return _with_polars(source, target, method, _windows)


def with_joins(source: Path, target: Path, method: str) -> Outcome:
    """In Polars, counting with group-bys and semi joins."""
    return _with_polars(source, target, method, _joins)


def _with_polars(source: Path, target: Path, method: str, keep: Keep) -> Outcome:
    started = time.perf_counter()
    kept = keep(pl.scan_parquet(files(source)).select(COLUMNS))
    if method == "k_core":
        kept = _polars_core(kept.collect(), keep).lazy()
    kept.sink_parquet(target / "out.parquet", compression="snappy")
    seconds = time.perf_counter() - started
    rows = pl.scan_parquet(target / "out.parquet").select(pl.len()).collect().item()
    return {"seconds": seconds, "rows": float(rows)}


def _polars_core(ratings: pl.DataFrame, keep: Keep) -> pl.DataFrame:
    before = -1
    while len(ratings) != before:
        before = len(ratings)
        ratings = keep(ratings.lazy()).collect()
    return ratings


def _windows(ratings: pl.LazyFrame) -> pl.LazyFrame:
    return ratings.filter(
        pl.col("customer_id").is_not_null() & (pl.len().over("customer_id") >= CUSTOMER_ROWS),
        pl.col("product_id").is_not_null() & (pl.len().over("product_id") >= PRODUCT_ROWS),
    )


def _joins(ratings: pl.LazyFrame) -> pl.LazyFrame:
    customers = _frequent(ratings, "customer_id", CUSTOMER_ROWS)
    products = _frequent(ratings, "product_id", PRODUCT_ROWS)
    kept = ratings.join(products, on="product_id", how="semi")
    return kept.join(customers, on="customer_id", how="semi")


def _frequent(ratings: pl.LazyFrame, key: str, least: int) -> pl.LazyFrame:
    return ratings.group_by(key).len().filter(pl.col("len") >= least)


def race(method: str, rounds: int) -> Race:
    """Everybody, by one method."""
    contenders = {
        "ours": ours,
        "DuckDB": with_duckdb,
        "Polars, windows": with_windows,
        "Polars, joins": with_joins,
    }
    return Race(
        method,
        {name: partial(contender, method=method) for name, contender in contenders.items()},
        rounds,
    )


def report(finished: Race) -> list[list[str]]:
    """Rows of the table: seconds, ratio to the best peer, peak memory.

    Raises:
        RuntimeError: Contenders left different numbers of rows.
    """
    rows = {run.measured["rows"] for runs in finished.results.values() for run in runs}
    if len(rows) != 1:
        raise RuntimeError(f"{finished.title}: contenders left {rows} rows")
    lines = [("ours, filter", "ours", "seconds"), ("ours, whole asset", "ours", "whole")]
    lines += [(name, name, "seconds") for name in RIVALS]
    return [
        [
            f"{finished.title}, {rows_left:,.0f} rows left",
            label,
            f"{finished.seconds(name, what):.2f}",
            f"{finished.ratio(name, RIVALS, what):.2f}",
            f"{finished.peak_mib(name):.0f}",
        ]
        for rows_left in rows
        for label, name, what in lines
    ]


def floor_table(source: Path, rounds: int) -> str:
    """CPU seconds of what DuckDB cannot leave out, and of all that Polars does."""
    scratch = source / "floor"
    scratch.mkdir()
    read = files(source)
    found = timed(
        floor(read, scratch, ONE_SHOT, lambda: _windows(pl.scan_parquet(read).select(COLUMNS))),
        rounds,
    )
    found["DuckDB, these four"] = sum(found[part] for part in DUCKDB_PARTS)
    whole = found["Polars, windows"]
    rows = [[name, f"{cpu:.2f}", f"{cpu / whole:.2f}"] for name, cpu in found.items()]
    return markdown(["part of one_shot", "CPU s", "x Polars, windows"], rows)


def main() -> None:
    """Make the reviews, run the races, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=100, help="100 is 2,000,000 reviews")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--floor", action="store_true", help="only the parts of one_shot")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_ratings(folder / "landing", scale=arguments.scale)
        materialise(folder, "raw_reviews", "rejected_rows", "reviews")
        if arguments.floor:
            print(floor_table(folder, arguments.rounds))
            return
        races = [race(method, arguments.rounds).run(folder, folder) for method in METHODS]
        rows = [row for finished in races for row in report(finished)]
        print(markdown(["method", "contender", "seconds", "x best peer", "peak MiB"], rows))


if __name__ == "__main__":
    main()
