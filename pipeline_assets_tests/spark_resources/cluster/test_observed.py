from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipeline_assets_tests.spark_resources.jobs import a_job, partitioned
from spark_resources.cluster import observed, output
from spark_resources.cluster.entry_point import execute
from spark_resources.cluster.output import UnlistedFilesError
from spark_resources.job import Audit

pytestmark = pytest.mark.spark

OBSERVED = Audit(
    "",
    {"negative": "SELECT * FROM nowhere", "big": "SELECT n FROM output WHERE n > 7 LIMIT 5"},
    aggregates={
        "rows": "COUNT(*)",
        "negative": "COUNT_IF(n < 0)",
        "big": "COUNT_IF(n > 7)",
        "profile_rows": "COUNT(*)",
        "profile_0_mean": "AVG(n)",
    },
)


@pytest.mark.parametrize("patience", [30.0, 0.0])
@pytest.mark.parametrize("keys", [(), ("a",), ("a", "b")])
def test_aggregates_are_taken_of_the_rows_that_are_written(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[str, ...],
    patience: float,
) -> None:
    """Without patience for Spark's message they are read from the files."""
    monkeypatch.setattr(observed, "PATIENCE_SECONDS", patience)
    schema = {"n": "long", "split": "string"}
    job = a_job(tmp_path, "SELECT id AS n, 'a' AS split FROM range(10)", schema)
    job = partitioned(job, "split", *keys) if keys else job
    manifest = execute(spark, replace(job, audit=OBSERVED))
    assert {audit.name: audit.failed for audit in manifest.audits} == {"negative": 0, "big": 2}
    assert sorted(row["n"] for row in manifest.audits[1].examples) == [8, 9]
    assert manifest.rows == 10
    assert manifest.measures == {"profile_rows": 10, "profile_0_mean": 4.5}


def test_aggregates_of_other_rows_than_those_in_the_files_are_not_believed(
    spark: SparkSession, tmp_path: Path
) -> None:
    job = replace(a_job(tmp_path, "SELECT 1 AS n", {"n": "long"}), audit=OBSERVED)
    session = spark.newSession()
    seen = output.write(session.sql("SELECT id AS n FROM range(3)"), job)
    found = output.data_files(session, job)
    fewer = [replace(file, rows=0) for file in found]
    assert output.aggregates(session, job, found, seen)["rows"] == 3
    with pytest.raises(UnlistedFilesError, match="3 rows, their footers 0"):
        output.aggregates(session, job, fewer, seen)
    for file in found:
        Path(file.uri).unlink()
    assert output.aggregates(session, job, fewer, seen)["rows"] == 0
