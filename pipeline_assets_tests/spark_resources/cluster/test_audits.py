from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipeline_assets_tests.spark_resources.jobs import a_job, partitioned
from spark_resources.cluster import output
from spark_resources.cluster.entry_point import execute
from spark_resources.job import Audit, KeyedCheck

pytestmark = pytest.mark.spark


@pytest.mark.parametrize(
    ("numbers", "copies"),
    [
        ("(1), (2), (63), (64), (65), (-1), (-64)", 0),
        ("(1), (64), (65), (1)", 1),
        ("(-1), (-1), (63)", 1),
        ("(CAST(NULL AS LONG)), (1)", 0),
        ("(CAST(NULL AS LONG)), (CAST(NULL AS LONG))", 1),
    ],
)
@pytest.mark.parametrize("type_", ["int", "long"])
def test_keys_that_are_there_twice_are_counted(
    spark: SparkSession, tmp_path: Path, numbers: str, copies: int, type_: str
) -> None:
    sql = "SELECT count(*) FROM (SELECT n FROM output GROUP BY n HAVING count(*) > 1)"
    audit = Audit(
        "SELECT count(*) AS `rows` FROM output",
        {"unique_key": "SELECT n FROM output LIMIT 1"},
        keyed={"unique_key": KeyedCheck(("n",), sql, is_unique=True)},
    )
    job = a_job(tmp_path, f"SELECT n FROM VALUES {numbers} AS v(n)", {"n": type_})
    (result,) = execute(spark, replace(job, audit=audit)).audits
    assert result.failed == copies


def test_that_keys_differ_is_found_without_grouping_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    audit = Audit(
        "SELECT count(*) AS `rows` FROM output",
        {"unique_key": "SELECT * FROM nowhere"},
        keyed={"unique_key": KeyedCheck(("n",), "SELECT * FROM nowhere", is_unique=True)},
    )
    job = a_job(tmp_path, "SELECT id AS n FROM range(1000)", {"n": "long"})
    (result,) = execute(spark, replace(job, audit=audit)).audits
    assert result.failed == 0


def test_a_single_partition_is_no_column_that_is_read(spark: SparkSession, tmp_path: Path) -> None:
    schema = {"n": "long", "split": "string"}
    job = partitioned(a_job(tmp_path, "SELECT 1 AS n, 'a' AS split", schema), "split", "a")
    execute(spark, job)
    rows = output.verified(spark, job)
    assert rows.collect() == [(1, "a")]
    plan = rows.groupBy("split").count()._jdf.queryExecution().executedPlan().toString()
    assert "ReadSchema: struct<>" in plan
