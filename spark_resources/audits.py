"""A job's audit, evaluated on what it wrote."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession

from spark_resources.job import Audit, AuditResult


def evaluate(spark: SparkSession, audit: Audit) -> tuple[int, tuple[AuditResult, ...]]:
    """Count rows and failures in one query; fetch examples only of what failed."""
    summary = rows_of(spark, audit.summary_sql)[0]
    failures = {name: count or 0 for name, count in summary.items() if name != "rows"}
    results = tuple(
        AuditResult(name, count, _examples(spark, audit, name) if count else ())
        for name, count in failures.items()
    )
    return summary["rows"], results


def rows_of(spark: SparkSession, sql: str) -> tuple[Mapping[str, Any], ...]:
    """The rows of a small query."""
    return tuple(row.asDict(recursive=True) for row in spark.sql(sql).collect())


def _examples(spark: SparkSession, audit: Audit, name: str) -> tuple[Mapping[str, Any], ...]:
    return rows_of(spark, audit.examples_sql[name]) if name in audit.examples_sql else ()
