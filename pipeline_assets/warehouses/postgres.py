"""Loading Arrow into Postgres, partition by partition, each replaced whole.

The partitions of a load are replaced in one transaction, which staging leaves open. So readers see
the old rows until it is committed, and for ever if it is not.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import attempt, connect, diagnostics, execute, query_fault
from pipeline_assets.postgres.sql import identifier, literal
from pipeline_assets.warehouses.rows import count_rows, own_rows
from pipeline_assets.warehouses.statements import (
    NUMBERS_AND_TIMES,
    FoundTable,
    Run,
    Statements,
    counted,
)
from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

# Postgres keeps all locks in one table of fixed size; a wider load locks the whole table instead.
MOST_PARTITION_LOCKS = 64

POSTGRES: Final = Statements(
    types={
        **NUMBERS_AND_TIMES,
        pa.string(): "text",
        pa.large_string(): "text",
        pa.binary(): "bytea",
    },
    literal=literal,
)


@dataclass(frozen=True)
class OpenTransaction:
    """A :class:`~pipeline_assets.warehouses.warehouse.StagedLoad`: a transaction that is open.

    Attributes:
        rows: How many rows each partition gets; a partition without rows is missing.
        dsn: The warehouse.
        connection: Holds the transaction, and with it the locks of the partitions.
    """

    rows: Mapping[PartitionValue, int]
    dsn: SecretDsn
    connection: "dbapi.Connection"

    def commit(self) -> None:
        """Let readers see the new rows.

        Raises:
            PipelineError: The connection was lost; the old rows stand.
        """
        with closing(self.connection):
            _commit(self.connection, self.dsn)

    def discard(self) -> None:
        """Leave the old rows; changes nothing after a commit."""
        self.connection.close()


@dataclass(frozen=True)
class PostgresWarehouse:
    """The :class:`~pipeline_assets.warehouses.warehouse.Warehouse` that is a Postgres.

    Attributes:
        dsn: The database, as a user who may create what is missing.
    """

    dsn: SecretDsn

    def stage(
        self,
        table: WarehouseTable,
        values: Sequence[PartitionValue],
        batches: Iterable[pa.RecordBatch],
        fresh_uri: str,  # noqa: ARG002 - rows go to the server directly
    ) -> OpenTransaction:
        """See :class:`~pipeline_assets.warehouses.warehouse.Warehouse`.

        Schema and table are changed in a transaction of their own: the locks that this takes would
        keep readers out until the commit. Loads of the same partition wait for each other, those of
        different partitions don't.
        """
        dsn = self.dsn
        with ExitStack() as undo:
            connection = undo.enter_context(closing(connect(dsn)))
            run = partial(execute, connection, dsn)
            ensure_table(run, table)
            _commit(connection, dsn)
            _begin(run)
            # Between the last row and the commit lies the audit, however long that takes.
            run("SET LOCAL idle_in_transaction_session_timeout = 0")
            _lock(run, table, values)
            run(POSTGRES.delete(table, values))
            rows = _copy(connection, dsn, table, own_rows(table, values, batches))
            undo.pop_all()
            return OpenTransaction(rows, dsn, connection)

    def counts(self, table: WarehouseTable) -> Mapping[str, int]:
        """See :class:`~pipeline_assets.warehouses.warehouse.Warehouse`."""
        with closing(connect(self.dsn)) as connection:
            run = partial(execute, connection, self.dsn)
            return counted(run, table) if POSTGRES.found(run, table) else {}

    def version(self) -> str:
        """See :class:`~pipeline_assets.warehouses.warehouse.Warehouse`."""
        with closing(connect(self.dsn)) as connection:
            asked = "SELECT current_setting('server_version') AS version"
            (server,) = execute(connection, self.dsn, asked)
        return f"Postgres {server['version']}"


def ensure_table(run: Run, table: WarehouseTable) -> None:
    """Create the table, or add missing columns; any number of processes may do so at once.

    Args:
        run: Runs a statement in the open transaction, which the caller commits.
        table: The table as declared.

    Raises:
        PipelineError: The table has a column of another type, one that the contract has not, or
            another primary key.
    """
    _begin(run)
    # Usually nothing changes, and then loads need not wait for each other's lock.
    if not _changes(run, table, POSTGRES.found(run, table)):
        return
    _take_lock(run, "pg_advisory_xact_lock", f"{table} columns")
    # Another process may have changed the table before it let go of the lock.
    found = POSTGRES.found(run, table)
    if found is None and not run(_SCHEMA.format(schema=literal(table.schema))):
        run(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.schema)}")
    for statement in _changes(run, table, found):
        run(statement)


def _changes(run: Run, table: WarehouseTable, found: FoundTable | None) -> list[str]:
    """The statements that turn the found table into the declared one.

    Raises:
        PipelineError: More would have to change than to add columns.
    """
    comments = POSTGRES.comments(table, found)
    if found is None:
        return [POSTGRES.create(table), *_indexes(table, frozenset(table.key[:1])), *comments]
    indexes = run(_INDEXES.format(oid=found.oid))
    primary = [tuple(index["names"]) for index in indexes if index["is_primary"]]
    POSTGRES.refuse_conflicts(table, found, primary[0] if primary else ())
    indexed = frozenset(index["names"][0] for index in indexes if index["names"])
    return [*POSTGRES.add_columns(table, found), *_indexes(table, indexed), *comments]


def _indexes(table: WarehouseTable, indexed: frozenset[str]) -> list[str]:
    """Create an index by partition, unless one (such as the key's) starts with that column."""
    if table.partition in indexed:
        return []
    return [f"CREATE INDEX ON {table.sql_name} ({identifier(table.partition)})"]


def _begin(run: Run) -> None:
    """Set the isolation level and the time zone of a transaction."""
    # Under READ COMMITTED a statement sees what the last holder of a lock has committed.
    run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    run("SET LOCAL TIME ZONE 'UTC'")


def _take_lock(run: Run, lock: str, name: str) -> None:
    """Wait for an advisory lock, which the transaction holds until it ends."""
    run(_LOCK.format(lock=lock, name=literal(name)))


def _commit(connection: "dbapi.Connection", dsn: SecretDsn) -> None:
    attempt(connection.commit, partial(query_fault, dsn))


def _lock(run: Run, table: WarehouseTable, values: Sequence[PartitionValue]) -> None:
    """Make loads of the same partition wait for each other, until this transaction ends."""
    if len(values) > MOST_PARTITION_LOCKS:
        _take_lock(run, "pg_advisory_xact_lock", f"{table}")
        return
    _take_lock(run, "pg_advisory_xact_lock_shared", f"{table}")
    # Always in the same order, so that two loads can't wait for one another.
    for value in sorted(map(_as_text, values)):
        _take_lock(run, "pg_advisory_xact_lock", f"{table} {value}")


def _as_text(value: PartitionValue) -> str:
    return str(value.astimezone(UTC)) if isinstance(value, datetime) else str(value)


def _copy(
    connection: "dbapi.Connection",
    dsn: SecretDsn,
    table: WarehouseTable,
    batches: Iterable[pa.RecordBatch],
) -> Counter[PartitionValue]:
    """Send each batch by a COPY of its own, and count its rows by partition."""
    rows: Counter[PartitionValue] = Counter()
    explain = partial(_copy_fault, dsn, table)
    with closing(connection.cursor()) as cursor:
        ingest = partial(cursor.adbc_ingest, mode="append", db_schema_name=table.schema)
        for batch in batches:
            attempt(partial(ingest, table.name, batch), explain)
            count_rows(rows, table, batch)
    return rows


def _copy_fault(dsn: SecretDsn, table: WarehouseTable, fault: Exception) -> PipelineError:
    server = diagnostics(fault)
    state = server.get("PG_DIAG_SQLSTATE")
    # character_not_in_repertoire: PostgreSQL documentation, appendix "Error Codes".
    if state == "22021":
        column = re.search(r"column (.+)$", server.get("PG_DIAG_CONTEXT", ""))
        said = f"{column[1]!r} holds" if column else "a text holds"
        says = server["PG_DIAG_MESSAGE_PRIMARY"]
        return PipelineError(f"{table}: {said} what Postgres can't store ({says}); replace it")
    if state == "23505":
        detail = server.get("PG_DIAG_MESSAGE_DETAIL", "")
        return PipelineError(f"{table}: two rows share the key {', '.join(table.key)}: {detail}")
    return query_fault(dsn, fault)


_LOCK = "SELECT 1 AS locked FROM {lock}(hashtextextended({name}, 0))"
_SCHEMA = "SELECT 1 AS one FROM pg_namespace WHERE nspname = {schema}"
_INDEXES = """
    SELECT i.indisprimary AS is_primary,
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                 JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                 ORDER BY k.place) AS names
    FROM pg_index AS i WHERE i.indrelid = {oid}"""
