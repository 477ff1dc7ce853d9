"""The relational kinds of job on the embedded engine: a query, and a repeated step."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import duckdb

from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.engines.embedded.prepared import Prepare, Prepared
from pipeline_assets.engines.standard_sql import identifier
from spark_resources.job import Job, Kind


def query(_connection: duckdb.DuckDBPyConnection, job: Job, _log: Log) -> Prepared:
    """The job's own SQL."""
    return Prepared(job.sql)


def fixpoint(connection: duckdb.DuckDBPyConnection, job: Job, log: Log) -> Prepared:
    """Repeat a step that removes rows until it removes none."""
    rows = _replace_state(connection, job.sql)
    keys = job.parameters["keys"]
    _number_keys(connection, keys)
    number, before = 0, -1
    while rows != before and number < int(job.parameters["max_rounds"]):
        number, before = number + 1, rows
        rows = _replace_state(connection, job.parameters["step_sql"])
        log(f"round {number}: {before:,} rows became {rows:,}")
    connection.execute("ALTER TABLE state RENAME TO numbered_state")
    decoded = _exchanged("numbered_state", keys, "number", "key")
    connection.execute(f"CREATE TEMP VIEW state AS {decoded}")
    return Prepared(job.parameters["result_sql"], {"rounds": number, "converged": rows == before})


def _number_keys(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> None:
    """Replace keys by numbers: rounds over numbers take half the time of rounds over texts."""
    for name in keys:
        known = f"SELECT DISTINCT {identifier(name)} AS key FROM state WHERE key IS NOT NULL"
        numbered = f"SELECT key, CAST(row_number() OVER () AS UINTEGER) AS number FROM ({known})"
        connection.execute(f"CREATE TEMP TABLE {_numbers(name)} AS {numbered}")
    _replace_state(connection, _exchanged("state", keys, "key", "number"))


def _exchanged(table: str, keys: Sequence[str], given: str, wanted: str) -> str:
    """A query of the table with numbers instead of keys, or keys instead of numbers."""
    columns = [f"{_numbers(name)}.{wanted} AS {identifier(name)}" for name in keys]
    joins = [
        f"LEFT JOIN {_numbers(name)} ON {table}.{identifier(name)} = {_numbers(name)}.{given}"
        for name in keys
    ]
    replaced = f" REPLACE ({', '.join(columns)})" if keys else ""
    return f"SELECT {table}.*{replaced} FROM {table} {' '.join(joins)}"


def _numbers(key: str) -> str:
    return identifier(f"numbers of {key}")


def _replace_state(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    connection.execute(f"CREATE TEMP TABLE next_state AS {sql}")
    # The step reads the old state, so the new one gets another name until it is complete.
    connection.execute("DROP TABLE IF EXISTS state")
    connection.execute("ALTER TABLE next_state RENAME TO state")
    (count,) = connection.execute("SELECT count(*) FROM state").fetchone() or (0,)
    return int(count)


RELATIONAL: Final[Mapping[Kind, Prepare]] = MappingProxyType({"query": query, "fixpoint": fixpoint})
"""The kinds of job that every embedded engine knows."""
