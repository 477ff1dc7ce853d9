"""Evaluates a job's audit on the files that the job wrote."""

from collections.abc import Mapping
from typing import Any, Final

from pyspark.sql import SparkSession

from spark_resources.cluster.spark_types import identifier
from spark_resources.job import AuditResult, Job, KeyedCheck

_INTEGERS: Final = frozenset({"int", "long"})
_WORD_BITS: Final = 64


def evaluate(
    spark: SparkSession, job: Job, aggregates: Mapping[str, Any]
) -> tuple[int, tuple[AuditResult, ...], Mapping[str, Any]]:
    """Return the number of rows, the result of each check, and the measures.

    Args:
        spark: A session that knows what was written as ``output``.
        job: The job.
        aggregates: The values of the audit's aggregates.
    """
    audit = job.audit
    asked = rows_of(spark, audit.summary_sql)[0] if audit.summary_sql else {}
    summary = {**aggregates, **asked}
    rows = summary.pop("rows")
    # Spark spills while it groups, so that it needs no ranges of keys as the embedded engine does.
    summary |= {name: _failures(spark, check, job) for name, check in audit.keyed.items()}
    failures = {name: summary.pop(name) or 0 for name in audit.examples_sql}
    results = tuple(
        AuditResult(name, count, rows_of(spark, audit.examples_sql[name]) if count else ())
        for name, count in failures.items()
    )
    return rows, results, summary


def rows_of(spark: SparkSession, sql: str) -> tuple[Mapping[str, Any], ...]:
    """The rows of a small query."""
    return tuple(row.asDict(recursive=True) for row in spark.sql(sql).collect())


def _failures(spark: SparkSession, check: KeyedCheck, job: Job) -> int:
    """The failing rows of a check that compares rows with equal keys."""
    integers = [name for name in check.key if job.schema.get(name) in _INTEGERS]
    # Keys are listed from coarse to fine.
    if check.is_unique and integers and _all_differ(spark, integers[-1]):
        return 0
    ((number,),) = spark.sql(check.sql).collect()
    return int(number)


def _all_differ(spark: SparkSession, column: str) -> bool:
    """Whether no two rows of the output have the same number in a column.

    If so, every key with this column is unique. Rows are grouped by all but the last six bits, and
    each group marks those bits in one number. Where numbers are dense, a task sends a sixty-fourth
    of its rows on instead of all of them.
    """
    number = f"CAST({identifier(column)} AS BIGINT)"
    marks = f"bit_or(shiftleft(1L, CAST({number} & {_WORD_BITS - 1} AS INT)))"
    words = f"""
        SELECT bit_count({marks}) AS marked, count(*) AS found FROM output
        GROUP BY shiftright({number}, 6)"""  # noqa: S608 - our own identifiers
    # A group of nulls has no marks, so that rows without a number count as rows that are equal.
    sql = f"SELECT count(*) FROM ({words}) WHERE NOT marked <=> found"  # noqa: S608
    ((shared,),) = spark.sql(sql).collect()
    return bool(shared == 0)
