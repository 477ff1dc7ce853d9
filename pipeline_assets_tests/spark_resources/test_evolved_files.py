"""Spark reads files of before and after a contract has changed, as the embedded engine does."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipeline_assets_tests.iceberg.evolving import (
    AFTER,
    BEFORE,
    BOTH,
    MONDAY,
    TUESDAY,
    publish,
    source_of,
)
from pipeline_assets_tests.landing.plays import local_lake
from spark_resources.cluster.sources import table

pytestmark = pytest.mark.spark


def test_columns_are_added_widened_renamed_dropped_and_reordered(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = local_lake(tmp_path / "lake")
    publish(lake, BEFORE, "mon", MONDAY)
    only_before = source_of(lake, AFTER)
    publish(lake, AFTER, "tue", TUESDAY)
    found = table(spark, "films", source_of(lake, AFTER)).orderBy("day").collect()
    assert [row.asDict() for row in found] == BOTH
    (monday,) = table(spark, "films", only_before).collect()
    assert monday.asDict() == BOTH[0]
