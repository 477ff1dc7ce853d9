"""A job's audit, evaluated on what it wrote: the twin of the cluster's module of this name."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import duckdb

from pipeline_assets.engines.embedded.keyed_checks import failures_by_range
from spark_resources.job import (
    AuditResult,
    Job,
)

OUTPUT: Final = "output"
"""What a job wrote, among the tables of its audit."""


def evaluate(
    connection: duckdb.DuckDBPyConnection, job: Job
) -> tuple[int, tuple[AuditResult, ...], Mapping[str, Any]]:
    """Rows, the failures of each check, and the measures that were taken in the same pass."""
    (summary,) = rows_of(connection, job.audit.summary_sql)
    rows = summary.pop("rows")
    results = tuple(
        _result(connection, name, sql, _counts(connection, job, name, summary))
        for name, sql in job.audit.examples_sql.items()
    )
    return rows, results, summary


def _counts(
    connection: duckdb.DuckDBPyConnection, job: Job, check: str, summary: dict[str, Any]
) -> Iterable[int]:
    """The failing rows of a check: the count of the summary, or counts range by range."""
    if check not in job.audit.keyed:
        return [summary.pop(check)]
    tables = {name: it.schema for name, it in job.inputs.items() if it.format == "parquet"}
    schemas = {OUTPUT: job.schema, **tables}
    return failures_by_range(connection, job.audit.keyed[check], schemas)


def _result(
    connection: duckdb.DuckDBPyConnection, check: str, examples_sql: str, counts: Iterable[int]
) -> AuditResult:
    """The result of a check: the sum of the counts, and examples of failing rows.

    The examples come from the first range with a failing row, while the tables hold that range.
    """
    failed = 0
    examples: tuple[dict[str, Any], ...] = ()
    for count in counts:
        if count and not failed:
            examples = rows_of(connection, examples_sql)
        failed += count
    return AuditResult(check, failed, examples)


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[dict[str, Any], ...]:
    """The rows of a small query."""
    answer = connection.execute(sql)
    names = [column[0] for column in answer.description or ()]
    return tuple(dict(zip(names, row, strict=True)) for row in answer.fetchall())
