"""The behaviour metric beside hand-written DuckDB.

python -m benchmarks.rentals.metric --purchases 2000000
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from benchmarks.harness import Race, markdown
from pipeline_assets.dataset.inputs import InputSpec, unbound
from pipeline_assets.dataset.sql import schema_names, to_sql
from pipeline_assets.domains.rentals.assets import (
    classified_movie_reviews,
    user_behavior_metric,
    user_purchases,
)
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from spark_resources.job import Audit, Destination, Job, Source, SourceFile

CUSTOMERS: Final = 100_000
MEMORY_MIB: Final = 2048
DAY: Final = "2026-01-01"
INPUTS: Final = {asset.table.name: asset for asset in (user_purchases, classified_movie_reviews)}

PURCHASES: Final = f"""
    SELECT range AS payment_id, CAST(hash(range) % {CUSTOMERS} AS INTEGER) AS customer_id,
           1 AS film_id, 'Quiet River' AS title, 'Drama' AS category,
           CAST((hash(range + 1) % 1200) / 100 AS DECIMAL(18, 5)) AS amount,
           TIMESTAMP '{DAY}' AS purchased_at, DATE '{DAY}' AS insert_date
    FROM range(?)"""
REVIEWS: Final = f"""
    SELECT CAST(hash(range + 7) % {CUSTOMERS} AS INTEGER) AS cid, 'fine film' AS review_str,
           CAST(hash(range) % 3 AS INTEGER) AS sentiment, hash(range) % 3 = 2 AS positive_review,
           0.8 AS confidence, DATE '{DAY}' AS insert_date
    FROM range(?)"""
BY_HAND: Final = """
    COPY (
        WITH bought AS (
            SELECT customer_id, sum(amount) AS spent, count(*) AS purchases
            FROM read_parquet('{folder}/user_purchases.parquet') GROUP BY 1),
        wrote AS (
            SELECT cid, count(*) FILTER (positive_review) AS score, count(*) AS reviews
            FROM read_parquet('{folder}/classified_movie_reviews.parquet') GROUP BY 1)
        SELECT coalesce(customer_id, cid) AS customer_id,
               CAST(coalesce(spent, 0) AS DECIMAL(18, 5)) AS amount_spent,
               CAST(coalesce(purchases, 0) AS INTEGER) AS purchase_count,
               CAST(coalesce(score, 0) AS INTEGER) AS review_score,
               CAST(coalesce(reviews, 0) AS INTEGER) AS review_count,
               DATE '{day}' AS insert_date
        FROM bought FULL JOIN wrote ON customer_id = cid
    ) TO '{target}/metric.parquet' (FORMAT parquet)"""


def ours(source: Path, target: Path) -> dict[str, float]:
    """The asset's expression on the embedded engine, with no checks, as by hand."""
    tables = {
        name: unbound(InputSpec(name, asset.key, "table"), asset.table)
        for name, asset in INPUTS.items()
    }
    contract = user_behavior_metric.table.contract
    job = Job(
        token="benchmark",
        kind="query",
        inputs={name: _source(source, name) for name in INPUTS},
        sql=to_sql(contract.conform(user_behavior_metric(**tables)), "duckdb"),
        schema=schema_names(contract.schema),
        destination=Destination(str(target / "metric"), "insert_date", (DAY,)),
        audit=Audit("SELECT count(*) AS rows FROM output"),
    )
    started = time.perf_counter()
    manifest = EmbeddedEngine(MEMORY_MIB, threads=2).run(job, lambda _: None)
    return {"seconds": time.perf_counter() - started, "rows": manifest.rows}


def by_hand(source: Path, target: Path) -> dict[str, float]:
    """What one would write in DuckDB."""
    started = time.perf_counter()
    with duckdb.connect(config={"threads": 2, "memory_limit": f"{MEMORY_MIB}MiB"}) as connection:
        statement = BY_HAND.format(folder=source, target=target, day=DAY)
        copied = connection.execute(statement).fetchone() or (0,)
    return {"seconds": time.perf_counter() - started, "rows": copied[0]}


def _source(folder: Path, name: str) -> Source:
    schema = schema_names(INPUTS[name].table.contract.schema)
    return Source("parquet", schema, (SourceFile(str(folder / f"{name}.parquet")),))


def write_inputs(folder: Path, purchases: int) -> None:
    """Purchases, and half as many reviews, of one day."""
    wanted = {"user_purchases": (PURCHASES, purchases)}
    wanted["classified_movie_reviews"] = (REVIEWS, purchases // 2)
    with duckdb.connect() as connection:
        for name, (sql, rows) in wanted.items():
            path = folder / f"{name}.parquet"
            connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)", [rows])


def main() -> None:
    """Make the data, run the race, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--purchases", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, arguments.purchases)
        race = Race("metric", {"ours": ours, "DuckDB": by_hand}, arguments.rounds)
        race.run(folder, folder)
    rows = [
        [who, f"{race.seconds(who):.2f}", f"{race.ratio(who, ['DuckDB']):.2f}",
         f"{race.peak_mib(who):.0f}", f"{race.seconds(who, 'rows'):,.0f}"]
        for who in race.contenders
    ]  # fmt: skip
    print(markdown(["contender", "seconds", "x by hand", "peak MiB", "customers"], rows))


if __name__ == "__main__":
    main()
