"""Loading Arrow into a relational warehouse, partition by partition, each replaced whole."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import attempt, connect, diagnostics, execute, query_fault
from pipeline_assets.postgres.read import conformed
from pipeline_assets.postgres.sql import identifier, literal
from pipeline_assets.postgres.table import (
    Run,
    WarehouseTable,
    begin,
    ensure_table,
    take_lock,
)

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

PartitionValue: TypeAlias = str | int | date | datetime

# Postgres keeps all locks in one table of fixed size; a wider load locks the whole table instead.
MOST_PARTITION_LOCKS = 64

_DELETE = "DELETE FROM {table} WHERE {column} IN ({values})"


@dataclass(frozen=True)
class StagedLoad:
    """Partitions that are replaced in a transaction which is still open.

    Readers see the old rows until :meth:`commit`, and for ever if this process dies before it.

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


def stage_load(
    dsn: SecretDsn,
    table: WarehouseTable,
    values: Sequence[PartitionValue],
    batches: Iterable[pa.RecordBatch],
) -> StagedLoad:
    """Replace partitions by the given rows in one open transaction, in bounded memory.

    Schema and table are created, and new columns added, first and in a transaction of their own:
    the locks that this takes would keep readers out until the commit. Loads of the same partition
    wait for each other, those of different partitions don't.

    Args:
        dsn: The warehouse, as a user who may create what is missing.
        table: The table as declared.
        values: The partitions to replace; one without rows becomes empty. Times carry a zone.
        batches: Rows with exactly the table's columns, in any order. Types that differ are
            converted if every value survives. They are asked for in the caller's own thread, so
            that their errors come out as they are.

    Raises:
        PipelineError: No connection; a column of another type, or one the contract dropped; rows of
            other partitions; duplicates in the key; a text with a NUL character, which Postgres
            can't store (replace it before: nothing is changed here in silence).
    """
    with ExitStack() as undo:
        connection = undo.enter_context(closing(connect(dsn)))
        run = partial(execute, connection, dsn)
        ensure_table(run, table)
        _commit(connection, dsn)
        begin(run)
        # Between the last row and the commit lies the audit, however long that takes.
        run("SET LOCAL idle_in_transaction_session_timeout = 0")
        _lock(run, table, values)
        run(_delete(table, values))
        rows = _copy(connection, dsn, table, _own_rows(table, values, batches))
        undo.pop_all()
        return StagedLoad(rows, dsn, connection)


def _own_rows(
    table: WarehouseTable, values: Sequence[PartitionValue], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The batches as the table wants them.

    Raises:
        PipelineError: They have other columns, or rows of other partitions.
    """
    own = pa.array(values, table.sent.field(table.partition).type)
    for batch in batches:
        unknown = [name for name in batch.schema.names if name not in table.columns.names]
        if unknown:
            raise PipelineError(f"{table} has no column {unknown[0]!r}, but the rows do")
        fitted = conformed(batch, table.sent)
        strays = pc.invert(pc.is_in(fitted.column(table.partition), own))
        if pc.any(strays).as_py():
            stray = fitted.column(table.partition).filter(strays)[0].as_py()
            raise PipelineError(
                f"{table}: a row of {table.partition} {stray} came with the load of "
                f"{values[0]}; load it with its own partition"
            )
        yield fitted


def _commit(connection: "dbapi.Connection", dsn: SecretDsn) -> None:
    attempt(connection.commit, partial(query_fault, dsn))


def _delete(table: WarehouseTable, values: Sequence[PartitionValue]) -> str:
    chosen = ", ".join(map(literal, values))
    column = identifier(table.partition)
    return _DELETE.format(table=table.sql_name, column=column, values=chosen)


def _lock(run: Run, table: WarehouseTable, values: Sequence[PartitionValue]) -> None:
    """Make loads of the same partition wait for each other, until this transaction ends."""
    if len(values) > MOST_PARTITION_LOCKS:
        take_lock(run, "pg_advisory_xact_lock", f"{table}")
        return
    take_lock(run, "pg_advisory_xact_lock_shared", f"{table}")
    # Always in the same order, so that two loads can't wait for one another.
    for value in sorted(map(_as_text, values)):
        take_lock(run, "pg_advisory_xact_lock", f"{table} {value}")


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
            for found in pc.value_counts(batch.column(table.partition)).to_pylist():
                rows[found["values"]] += found["counts"]
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
