"""What a careful engineer would write by hand for each Taobao table, in Polars and in DuckDB.

They read the extracted files, write the same rows as one or several Parquet files, and do nothing
else: no rejected rows, no checks, no commit.
"""

import time
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

SKELETON: Final = ("sample_id", "click", "conversion", "index", "feature_num", "features")
COMMON: Final = ("index", "feature_num", "features")


def _files(source: Path, member: str) -> list[str]:
    return sorted(str(path) for path in source.glob(f"lake/**/raw/train/*-{member}_train.csv"))


def _scan(source: Path, member: str, names: tuple[str, ...]) -> pl.LazyFrame:
    return pl.scan_csv(
        _files(source, member),
        has_header=False,
        quote_char=None,
        schema=dict.fromkeys(names, pl.String),
    )


def _tokens(lines: pl.LazyFrame, key: str) -> pl.LazyFrame:
    each = lines.select(key, token=pl.col("features").str.split("\x01")).explode("token")
    halves = each.filter(pl.col("token") != "").with_columns(
        pl.col("token").str.splitn("\x02", 2).struct.rename_fields(["feature_name", "rest"])
    )
    parts = halves.unnest("token").with_columns(
        pl.col("rest").str.splitn("\x03", 2).struct.rename_fields(["feature_id", "feature_value"])
    )
    return parts.unnest("rest").select(
        key,
        "feature_name",
        pl.col("feature_id").cast(pl.Int64),
        pl.col("feature_value").cast(pl.Float64),
        split=pl.lit("train"),
    )


def _sink(frame: pl.LazyFrame, target: Path) -> dict[str, float]:
    started = time.perf_counter()
    frame.sink_parquet(target / "out.parquet", compression="snappy")
    return {"seconds": time.perf_counter() - started}


def polars_impressions(source: Path, target: Path) -> dict[str, float]:
    """Impressions in Polars."""
    lines = _scan(source, "sample_skeleton", SKELETON)
    return _sink(
        lines.select(
            pl.col("sample_id").cast(pl.Int64),
            click_label=pl.col("click").cast(pl.Int32),
            conversion_label=pl.col("conversion").cast(pl.Int32),
            common_features_index=pl.col("index"),
            num_features=pl.col("feature_num").cast(pl.Int32),
            split=pl.lit("train"),
        ),
        target,
    )


def polars_core_features(source: Path, target: Path) -> dict[str, float]:
    """Core features in Polars."""
    lines = _scan(source, "sample_skeleton", SKELETON)
    return _sink(
        _tokens(lines.with_columns(pl.col("sample_id").cast(pl.Int64)), "sample_id"), target
    )


def polars_common_features(source: Path, target: Path) -> dict[str, float]:
    """Common features in Polars."""
    lines = _scan(source, "common_features", COMMON).rename({"index": "common_features_index"})
    return _sink(_tokens(lines, "common_features_index"), target)


def _copy(
    source: Path, target: Path, member: str, names: tuple[str, ...], sql: str
) -> dict[str, float]:
    started = time.perf_counter()
    connection = duckdb.connect(config={"memory_limit": "2GiB"})
    connection.execute("SET enable_progress_bar = false")
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    connection.execute(
        f"CREATE VIEW lines AS FROM read_csv({_files(source, member)}, columns = {{{columns}}}, "
        "header = false, auto_detect = false, delim = ',', quote = '', escape = '')"
    )
    connection.execute(f"COPY ({sql}) TO '{target}/out' (FORMAT parquet, PER_THREAD_OUTPUT true)")
    return {"seconds": time.perf_counter() - started}


def duckdb_impressions(source: Path, target: Path) -> dict[str, float]:
    """Impressions in DuckDB."""
    sql = """SELECT sample_id::BIGINT AS sample_id, click::INT AS click_label,
        conversion::INT AS conversion_label, index AS common_features_index,
        feature_num::INT AS num_features, 'train' AS split FROM lines"""
    return _copy(source, target, "sample_skeleton", SKELETON, sql)


def duckdb_core_features(source: Path, target: Path) -> dict[str, float]:
    """Core features in DuckDB."""
    sql = _token_sql("sample_id::BIGINT AS sample_id", "sample_id")
    return _copy(source, target, "sample_skeleton", SKELETON, sql)


def duckdb_common_features(source: Path, target: Path) -> dict[str, float]:
    """Common features in DuckDB."""
    sql = _token_sql("index AS common_features_index", "common_features_index")
    return _copy(source, target, "common_features", COMMON, sql)


def _token_sql(key: str, name: str) -> str:
    return f"""
        WITH each AS (SELECT {key}, unnest(string_split(features, chr(1))) AS token FROM lines),
        halves AS (SELECT {name}, string_split(token, chr(2)) AS half FROM each WHERE token <> ''),
        parts AS (SELECT {name}, half[1] AS feature_name, string_split(half[2], chr(3)) AS part
                  FROM halves)
        SELECT {name}, feature_name, part[1]::BIGINT AS feature_id,
               part[2]::DOUBLE AS feature_value, 'train' AS split FROM parts"""
