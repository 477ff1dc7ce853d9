"""What a careful engineer would write by hand for each ranking, in Polars and in DuckDB.

They read the same Parquet files as ours, write the same rows as Parquet, and do nothing else: no
checks, no commit.
"""

import time
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

COUNTRY: Final = ("snapshot", "country")
ARTIST: Final = ("snapshot", "artist_name")


def files(source: Path, table: str) -> list[str]:
    """The Parquet files of a table that was made once."""
    return sorted(str(path) for path in source.glob(f"lake/music/{table}/data/**/*.parquet"))


def _plays(source: Path) -> pl.LazyFrame:
    users = pl.scan_parquet(files(source, "users")).filter(pl.col("country").is_not_null())
    heard = pl.scan_parquet(files(source, "user_top_artists")).join(
        users.select("snapshot", "user_id", "country"), on=["snapshot", "user_id"]
    )
    return heard.group_by(*COUNTRY, "artist_name").agg(
        total_playcount=pl.col("playcount").sum().cast(pl.Float64), listeners=pl.len()
    )


def _ranked(plays: pl.LazyFrame, by: tuple[str, str], score: str, tie: str) -> pl.LazyFrame:
    kept = plays.filter(pl.col("listeners") >= 1).drop("listeners")
    ordered = kept.sort(score, tie, descending=[True, False])
    place = pl.int_range(pl.len(), dtype=pl.Int32).over(*by) + 1
    return ordered.with_columns(rank=place)


def _sink(frame: pl.LazyFrame, target: Path, started: float) -> dict[str, float]:
    frame.sink_parquet(target / "out.parquet", compression="snappy")
    return {"seconds": time.perf_counter() - started}


def polars_artist_rank_in_country(source: Path, target: Path) -> dict[str, float]:
    """Artists by country in Polars."""
    started = time.perf_counter()
    ranked = _ranked(_plays(source), COUNTRY, "total_playcount", "artist_name")
    return _sink(ranked, target, started)


def polars_country_rank_per_artist(source: Path, target: Path) -> dict[str, float]:
    """Countries by artist in Polars."""
    started = time.perf_counter()
    share = pl.col("total_playcount") / pl.col("total_playcount").sum().over(*COUNTRY)
    shares = _plays(source).with_columns(normalized_popularity=share)
    return _sink(_ranked(shares, ARTIST, "normalized_popularity", "country"), target, started)


PLAYS: Final = """
    plays AS (
        SELECT snapshot, country, artist_name, sum(playcount)::DOUBLE AS total_playcount,
               count(*) AS listeners
        FROM read_parquet({top_artists}) AS heard
        JOIN read_parquet({users}) AS users USING (snapshot, user_id)
        WHERE country IS NOT NULL GROUP BY ALL
    )"""


def _copy(source: Path, target: Path, sql: str) -> dict[str, float]:
    started = time.perf_counter()
    connection = duckdb.connect(config={"memory_limit": "2GiB"})
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET preserve_insertion_order = false")
    plays = PLAYS.format(
        top_artists=files(source, "user_top_artists"), users=files(source, "users")
    )
    connection.execute(
        f"COPY (WITH {plays} {sql}) TO '{target}/out' (FORMAT parquet, PER_THREAD_OUTPUT true)"
    )
    return {"seconds": time.perf_counter() - started}


def duckdb_artist_rank_in_country(source: Path, target: Path) -> dict[str, float]:
    """Artists by country in DuckDB."""
    sql = """
        SELECT country, artist_name, total_playcount, snapshot, row_number() OVER (
            PARTITION BY snapshot, country ORDER BY total_playcount DESC, artist_name
        )::INT AS rank FROM plays WHERE listeners >= 1"""
    return _copy(source, target, sql)


def duckdb_country_rank_per_artist(source: Path, target: Path) -> dict[str, float]:
    """Countries by artist in DuckDB."""
    sql = """, shares AS (
            SELECT *, total_playcount / sum(total_playcount) OVER (PARTITION BY snapshot, country)
                AS normalized_popularity FROM plays
        )
        SELECT country, artist_name, total_playcount, normalized_popularity, snapshot,
            row_number() OVER (
                PARTITION BY snapshot, artist_name ORDER BY normalized_popularity DESC, country
            )::INT AS rank FROM shares WHERE listeners >= 1"""
    return _copy(source, target, sql)
