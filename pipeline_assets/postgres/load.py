"""Loading Arrow into a relational warehouse, partition by partition, each replaced whole."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import dbapi

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

PartitionValue: TypeAlias = str | int | date | datetime

# Postgres keeps all locks in one table of fixed size; a wider load locks the whole table instead.
MOST_PARTITION_LOCKS = 64

_DELETE = "DELETE FROM {table} WHERE {column} IN ({values})"


def load_partitions(
    dsn: SecretDsn,
    table: WarehouseTable,
    values: Sequence[PartitionValue],
    batches: Iterable[pa.RecordBatch],
) -> int:
    """Replace partitions by the given rows, in one transaction, in bounded memory.

    Schema and table are made, and new columns added, first and in a transaction of their own.
    Readers see the old rows until the commit, and for ever if this process dies before it. Loads of
    the same partition wait for each other, those of different partitions don't.

    Args:
        dsn: The warehouse, as a user who may create what is missing.
        table: The table as declared.
        values: The partitions to replace; one without rows becomes empty. Times carry a zone.
        batches: Rows with exactly the table's columns, in any order. Types that differ are
            converted if every value survives.

    Returns:
        How many rows the partitions hold now.

    Raises:
        PipelineError: No connection; a column of another type, or one the contract dropped; rows of
            other partitions; duplicates in the key; a text with a NUL character, which Postgres
            can't store (replace it before: nothing is changed here in silence).
    """
    with closing(connect(dsn)) as connection:
        run = partial(execute, connection, dsn)
        ensure_table(run, table)
        _commit(connection, dsn)
        begin(run)
        _lock(run, table, values)
        run(_delete(table, values))
        feed = _Feed(table, pa.array(values, table.sent.field(table.partition).type))
        _copy(connection, dsn, feed, batches)
        _commit(connection, dsn)
    return feed.rows


@dataclass
class _Feed:
    """Checks and counts the rows on their way, and keeps the fault that stopped them.

    The driver pulls through Arrow's C interface, which flattens an exception to text.
    """

    table: WarehouseTable
    values: pa.Array
    rows: int = 0
    fault: Exception | None = None

    def checked(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                yield self._counted(self._checked(batch))
        except Exception as fault:
            self.fault = fault
            raise

    def _counted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.rows += batch.num_rows
        return batch

    def _checked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        unknown = [name for name in batch.schema.names if name not in self.table.columns.names]
        if unknown:
            raise PipelineError(f"{self.table} has no column {unknown[0]!r}, but the rows do")
        fitted = conformed(batch, self.table.sent)
        strays = pc.invert(pc.is_in(fitted.column(self.table.partition), self.values))
        if pc.any(strays).as_py():
            stray = fitted.column(self.table.partition).filter(strays)[0].as_py()
            raise PipelineError(
                f"{self.table}: a row of {self.table.partition} {stray} came with the load of "
                f"{self.values[0].as_py()}; load it with its own partition"
            )
        return fitted


def _commit(connection: dbapi.Connection, dsn: SecretDsn) -> None:
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
    connection: dbapi.Connection,
    dsn: SecretDsn,
    feed: _Feed,
    batches: Iterable[pa.RecordBatch],
) -> None:
    rows = pa.RecordBatchReader.from_batches(feed.table.sent, feed.checked(batches))
    schema, name = feed.table.schema, feed.table.name
    with closing(connection.cursor()) as cursor:
        attempt(
            lambda: cursor.adbc_ingest(name, rows, mode="append", db_schema_name=schema),
            lambda fault: feed.fault or _copy_fault(dsn, feed.table, fault),
        )


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
