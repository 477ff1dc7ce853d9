from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipeline_assets_tests.spark_resources.jobs import a_job, partitioned
from spark_resources.cluster.entry_point import execute
from spark_resources.cluster.output import UnexpectedPartitionError
from spark_resources.cluster.side_by_side import AT_ONCE, side_by_side
from spark_resources.job import Audit

pytestmark = pytest.mark.spark

BROKEN = Audit("SELECT count(*) AS `rows` FROM output", report_sql={"picture": "FROM nowhere"})


def test_as_many_queries_as_are_allowed_run_at_the_same_time(spark: SparkSession) -> None:
    """Each waits for all others, so one after the other they would never end."""
    everybody = Barrier(AT_ONCE)

    def query(number: int) -> int:
        everybody.wait(timeout=60)
        return spark.range(number).count()

    with side_by_side() as ask:
        asked = [ask(partial(query, number)) for number in range(AT_ONCE)]
    assert [it.result() for it in asked] == list(range(AT_ONCE))


def test_an_error_is_that_of_its_query_and_keeps_no_other_from_ending(spark: SparkSession) -> None:
    with side_by_side() as ask:
        broken = ask(lambda: spark.sql("SELECT * FROM nowhere").count())
        sound = ask(lambda: spark.range(3).count())
    assert sound.result() == 3
    with pytest.raises(PySparkException, match="nowhere"):
        broken.result()


def test_queries_belong_to_the_jobs_of_whoever_asks(spark: SparkSession) -> None:
    context = spark.sparkContext
    context.setLocalProperty("pipeline.asked.by", "somebody")
    with side_by_side() as ask:
        asked = ask(lambda: context.getLocalProperty("pipeline.asked.by"))
    assert asked.result() == "somebody"


def test_a_report_that_fails_fails_the_job(spark: SparkSession, tmp_path: Path) -> None:
    job = a_job(tmp_path, "SELECT 1 AS n", {"n": "long"})
    with pytest.raises(PySparkException, match="nowhere"):
        execute(spark, replace(job, audit=BROKEN))


def test_rows_of_another_partition_are_told_before_any_query_that_fails(
    spark: SparkSession, tmp_path: Path
) -> None:
    job = a_job(tmp_path, "SELECT 1 AS n, 'b' AS split", {"n": "long", "split": "string"})
    with pytest.raises(UnexpectedPartitionError, match="such as b"):
        execute(spark, replace(partitioned(job, "split", "a"), audit=BROKEN))
