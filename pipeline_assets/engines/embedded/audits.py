"""A job's audit, evaluated on what it wrote: the twin of the cluster's module of this name."""

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import duckdb

from pipeline_assets.engines.embedded.keyed_checks import failures_by_range
from pipeline_assets.engines.standard_sql import identifier
from spark_resources.job import Audit, AuditResult, Job

OUTPUT: Final = "output"
"""What a job wrote, among the tables of its audit."""


def evaluate(
    connection: duckdb.DuckDBPyConnection, job: Job, known: Mapping[str, Any]
) -> tuple[int, tuple[AuditResult, ...], Mapping[str, Any]]:
    """Rows, the failures of each check, and the measures that were taken in the same pass.

    Args:
        connection: The connection that has the tables.
        job: The job.
        known: The values of those of the audit's aggregates that need no reading.
    """
    asked = [rows_of(connection, sql)[0] for sql in summary_queries(job.audit, known)]
    summary = {**known, **dict(ChainMap(*asked))}
    rows = summary.pop("rows")
    results = tuple(
        _result(connection, name, sql, _counts(connection, job, name, summary))
        for name, sql in job.audit.examples_sql.items()
    )
    return rows, results, summary


def summary_queries(audit: Audit, known: Collection[str] = ()) -> list[str]:
    """The queries of one row each that together have the columns of the summary.

    The first takes the aggregates that are not known, in one pass.
    """
    unknown = [
        f"{sql} AS {identifier(name)}"
        for name, sql in audit.aggregates.items()
        if name not in known
    ]
    taken = [f"SELECT {', '.join(unknown)} FROM {OUTPUT}"] if unknown else []
    return [*taken, *filter(None, [audit.summary_sql])]


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
