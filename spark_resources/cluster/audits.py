"""A job's audit, evaluated on what it wrote."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession

from spark_resources.job import Audit, AuditResult


def evaluate(
    spark: SparkSession, audit: Audit
) -> tuple[int, tuple[AuditResult, ...], Mapping[str, Any]]:
    """Rows, failures and measures; examples are fetched only of what failed.

    Spark groups by any number of keys: a keyed check is one query, too.
    """
    summary = dict(rows_of(spark, audit.summary_sql)[0])
    rows = summary.pop("rows")
    summary |= {name: _number(spark, check.sql) for name, check in audit.keyed.items()}
    failures = {name: summary.pop(name) or 0 for name in audit.examples_sql}
    results = tuple(
        AuditResult(name, count, rows_of(spark, audit.examples_sql[name]) if count else ())
        for name, count in failures.items()
    )
    return rows, results, summary


def _number(spark: SparkSession, sql: str) -> int:
    (row,) = spark.sql(sql).collect()
    return int(row[0])


def rows_of(spark: SparkSession, sql: str) -> tuple[Mapping[str, Any], ...]:
    """The rows of a small query."""
    return tuple(row.asDict(recursive=True) for row in spark.sql(sql).collect())
