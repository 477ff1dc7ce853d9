"""Evaluates a job's audit on the files that the job wrote."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession

from spark_resources.job import Audit, AuditResult


def evaluate(
    spark: SparkSession, audit: Audit
) -> tuple[int, tuple[AuditResult, ...], Mapping[str, Any]]:
    """Return the number of rows, the result of each check, and the measures."""
    summary = dict(rows_of(spark, audit.summary_sql)[0])
    rows = summary.pop("rows")
    # Spark spills while it groups, so that it needs no ranges of keys as the embedded engine does.
    keyed = {name: spark.sql(check.sql).collect() for name, check in audit.keyed.items()}
    summary |= {name: int(row[0]) for name, (row,) in keyed.items()}
    failures = {name: summary.pop(name) or 0 for name in audit.examples_sql}
    results = tuple(
        AuditResult(name, count, rows_of(spark, audit.examples_sql[name]) if count else ())
        for name, count in failures.items()
    )
    return rows, results, summary


def rows_of(spark: SparkSession, sql: str) -> tuple[Mapping[str, Any], ...]:
    """The rows of a small query."""
    return tuple(row.asDict(recursive=True) for row in spark.sql(sql).collect())
