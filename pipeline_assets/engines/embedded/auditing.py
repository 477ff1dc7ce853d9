"""The audit of what a job wrote, evaluated in DuckDB before anybody may read it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import duckdb

from pipeline_assets.engines.embedded.keyed_checks import failures_by_range
from spark_resources.job import AuditResult, Job

OUTPUT: Final = "output"


def audit_output(
    connection: duckdb.DuckDBPyConnection, job: Job
) -> tuple[int, tuple[AuditResult, ...], Mapping[str, Any]]:
    """Evaluate a job's audit on the table ``output``.

    Returns:
        The rows of the output, the result of each check, and what else was measured.
    """
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
    """Failing rows of a check, taken out of the summary or counted range by range."""
    if check not in job.audit.keyed:
        return [summary.pop(check)]
    tables = {name: it.schema for name, it in job.inputs.items() if it.format == "parquet"}
    schemas = {OUTPUT: job.schema, **tables}
    return failures_by_range(connection, job.audit.keyed[check], schemas)


def _result(
    connection: duckdb.DuckDBPyConnection, check: str, examples_sql: str, counts: Iterable[int]
) -> AuditResult:
    """Counts add up; examples are those of the first that is not zero, looked at in its range."""
    failed = 0
    examples: tuple[dict[str, Any], ...] = ()
    for count in counts:
        if count and not failed:
            examples = rows_of(connection, examples_sql)
        failed += count
    return AuditResult(check, failed, examples)


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[dict[str, Any], ...]:
    """What a small query selects."""
    answer = connection.execute(sql)
    names = [column[0] for column in answer.description or ()]
    return tuple(dict(zip(names, row, strict=True)) for row in answer.fetchall())
