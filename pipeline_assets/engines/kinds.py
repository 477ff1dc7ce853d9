"""What each kind of job does on DuckDB before its output is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import duckdb

from pipeline_assets.engines.engine import Log
from spark_resources.job import Job, Kind


@dataclass(frozen=True)
class Prepared:
    """The query whose rows become the output, and facts about how it came to be."""

    sql: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Prepare: TypeAlias = Callable[[duckdb.DuckDBPyConnection, Job, Log], Prepared]


def _query(_connection: duckdb.DuckDBPyConnection, job: Job, _log: Log) -> Prepared:
    return Prepared(job.sql)


def _fixpoint(connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
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


KINDS: Final[Mapping[Kind, Prepare]] = {"query": _query, "fixpoint": _fixpoint}
