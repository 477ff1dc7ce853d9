"""Relational jobs on the embedded engine."""

import duckdb

from pipeline_assets.engines.engine import Log
from pipeline_assets.engines.prepared import Prepared
from spark_resources.job import Job


def query(_connection: duckdb.DuckDBPyConnection, job: Job, _log: Log) -> Prepared:
    """What the job's SQL selects."""
    return Prepared(job.sql)


def fixpoint(connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
    """Repeat a shrinking step until the number of rows stays the same."""
    rows = _replace_state(connection, job.sql)
    number, before = 0, -1
    while rows != before and number < int(job.parameters["max_rounds"]):
        number, before = number + 1, rows
        rows = _replace_state(connection, job.parameters["step_sql"])
        log(f"round {number}: {before:,} rows became {rows:,}")
    return Prepared(job.parameters["result_sql"], {"rounds": number, "converged": rows == before})


def _replace_state(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    connection.execute(f"CREATE TEMP TABLE next_state AS {sql}")
    connection.execute("DROP TABLE IF EXISTS state")
    connection.execute("ALTER TABLE next_state RENAME TO state")
    (count,) = connection.execute("SELECT count(*) FROM state").fetchone() or (0,)
    return int(count)
