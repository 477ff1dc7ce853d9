"""The sentiment of any text, on Spark to the last digit as on DuckDB."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.domains.rentals.sentiment import CLASSES, classified, with_views
from pipeline_assets_tests.domains.rentals.test_sentiment import (
    BLAME,
    MODEL,
    PRAISE,
    REVIEWS,
    awkward_and_random,
    on_duckdb,
    reviews,
    trained_on,
)

pytestmark = pytest.mark.spark

OnSpark = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def on_spark(spark: SparkSession, tmp_path: Path) -> OnSpark:
    def run(expression: ir.Table, **tables: pa.Table) -> list[tuple[Any, ...]]:
        for name, table in tables.items():
            pq.write_table(table, tmp_path / name)
            spark.read.parquet(str(tmp_path / name)).createOrReplaceTempView(name)
        return [tuple(row) for row in spark.sql(to_sql(expression, "pyspark")).collect()]

    return run


def test_spark_takes_texts_apart_as_duckdb_does(on_spark: OnSpark) -> None:
    asked, expression = reviews(*awkward_and_random()), with_views(REVIEWS)
    here = {row[0]: row[1:] for row in on_duckdb(expression, reviews=asked)}
    there = {row[0]: row[1:] for row in on_spark(expression, reviews=asked)}
    assert len(here) == len(there) == len(asked)
    assert [here[cid][0] for cid in here if here[cid] != there[cid]] == []


def test_spark_answers_to_the_last_digit_as_duckdb_does(on_spark: OnSpark) -> None:
    model = trained_on(awkward_and_random())
    asked = reviews(*awkward_and_random(), PRAISE, PRAISE, BLAME)
    expression = classified(REVIEWS, MODEL)
    here = sorted(on_duckdb(expression, reviews=asked, model=model))
    assert len(here) == len(asked)
    assert sorted(on_spark(expression, reviews=asked, model=model)) == here
    assert {sentiment for _, _, sentiment, *_ in here} == set(range(len(CLASSES)))
