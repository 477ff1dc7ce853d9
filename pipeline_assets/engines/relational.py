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
    for round_ in range(1, int(job.parameters["max_rounds"]) + 1):
        before, rows = rows, _replace_state(connection, job.parameters["step_sql"])
        log(f"round {round_}: {before:,} rows became {rows:,}")
        if rows == before:
            return Prepared("SELECT * FROM state", {"rounds": round_, "converged": True})
    return Prepared("SELECT * FROM state", {"rounds": round_, "converged": False})


def _replace_state(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    connection.execute(f"CREATE TEMP TABLE next_state AS {sql}")
    connection.execute("DROP TABLE IF EXISTS state")
    connection.execute("ALTER TABLE next_state RENAME TO state")
    (count,) = connection.execute("SELECT count(*) FROM state").fetchone() or (0,)
    return int(count)
