"""Reading Postgres into Arrow: consistent snapshots, streamed, numbers at full precision."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import dbapi
from adbc_driver_postgresql import StatementOptions  # type: ignore[import-untyped]

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import (
    BATCH_BYTES,
    Result,
    attempt,
    connect,
    execute,
    query_fault,
)
from pipeline_assets.postgres.sql import Value, identifier, literal


@dataclass
class Snapshot:
    """Reads that all see the database at one instant, one after the other."""

    dsn: SecretDsn
    connection: dbapi.Connection
    cleanup: ExitStack
    reads: int = 0

    def read(
        self,
        query: str,
        parameters: Mapping[str, Value] | None = None,
        schema: pa.Schema | None = None,
        batch_bytes: int = BATCH_BYTES,
    ) -> pa.RecordBatchReader:
        """Run a query and stream its rows; the next query ends this one.

        Args:
            query: SQL with ``%(name)s`` where a parameter goes, and ``%%`` for a percent sign.
            parameters: Values by name, written as typed literals.
            schema: Wanted names, order and Arrow types; conversions are exact or an error. Without
                it, every column keeps its own type: ``numeric(p, s)`` becomes ``decimal128(p, s)``,
                ``timestamp`` is a wall time in UTC, ``timestamptz`` carries UTC. A ``numeric``
                without declared size needs the schema.
            batch_bytes: About how large a batch is, in bytes of COPY data; memory follows it.

        Returns:
            A reader whose schema is known even if there are no rows.

        Raises:
            PipelineError: Missing table or column, no permission, or a column of no fixed type.
                While reading: lost connection, a value that doesn't fit its wanted type, or the
                next query began.
        """
        self.reads += 1
        cursor = self._cursor(batch_bytes)
        values = {name: literal(value) for name, value in (parameters or {}).items()}
        sql = (query % values).rstrip("; \n")
        found = self._attempt(partial(cursor.adbc_execute_schema, sql))
        wanted = _wanted_schema(found, schema)
        self._attempt(partial(cursor.execute, _with_text_numbers(sql, found)))
        batches = self._attempt(cursor.fetch_record_batch)
        return pa.RecordBatchReader.from_batches(wanted, self._converted(batches, wanted))

    def _cursor(self, batch_bytes: int) -> dbapi.Cursor:
        hint = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(batch_bytes)}
        cursor = self.connection.cursor(adbc_stmt_kwargs=hint)
        # The driver wants cursors closed before their connection; the stack unwinds in that order.
        return self.cleanup.enter_context(closing(cursor))

    def _converted(
        self, batches: pa.RecordBatchReader, wanted: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        turn = self.reads
        following: Callable[[], pa.RecordBatch | None] = partial(next, iter(batches), None)
        while (batch := self._in_turn(turn, following)) is not None:
            if batch.num_rows:
                yield conformed(batch, wanted)

    def _in_turn(self, turn: int, call: Callable[[], Result]) -> Result:
        # Both would read from one connection, and an overtaken query gets the rows of the other.
        if turn != self.reads:
            raise PipelineError("a query was not read to its end before the snapshot's next one")
        return self._attempt(call)

    def _attempt(self, call: Callable[[], Result]) -> Result:
        return attempt(call, partial(query_fault, self.dsn))


@contextmanager
def snapshot(dsn: SecretDsn) -> Iterator[Snapshot]:
    """Open one consistent, read-only view of a database.

    Args:
        dsn: Where to connect.

    Yields:
        A ``Snapshot`` (REPEATABLE READ, READ ONLY, session zone UTC) for any number of queries.

    Raises:
        PipelineError: No connection.
    """
    with closing(connect(dsn)) as connection, ExitStack() as cleanup:
        execute(connection, dsn, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        execute(connection, dsn, "SET LOCAL TIME ZONE 'UTC'")
        yield Snapshot(dsn, connection, cleanup)


def stream(
    dsn: SecretDsn,
    query: str,
    parameters: Mapping[str, Value] | None = None,
    schema: pa.Schema | None = None,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[pa.RecordBatch]:
    """Stream one query's rows in bounded memory, from a snapshot of its own.

    See ``Snapshot.read`` for arguments and errors. Connects when the first batch is asked for.
    """
    with snapshot(dsn) as source:
        yield from source.read(query, parameters, schema, batch_bytes)


def conformed(batch: pa.RecordBatch, wanted: pa.Schema) -> pa.RecordBatch:
    """A batch with exactly the wanted columns, order and types.

    Raises:
        PipelineError: A column is missing, or a value doesn't fit its type without loss.
    """
    missing = [name for name in wanted.names if name not in batch.schema.names]
    if missing:
        raise PipelineError(f"the rows have no column {missing[0]!r}, only {batch.schema.names}")
    columns = [_exact(batch.column(field.name), field) for field in wanted]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def _exact(column: pa.Array, field: pa.Field) -> pa.Array:
    if column.type == field.type:
        return column
    return attempt(
        lambda: pc.cast(column, field.type),
        lambda fault: PipelineError(f"column {field.name!r} does not fit {field.type}: {fault}"),
    )


def _wanted_schema(found: pa.Schema, asked: pa.Schema | None) -> pa.Schema:
    repeated = [name for name in found.names if found.names.count(name) > 1]
    if repeated:
        raise PipelineError(f"the query returns {repeated[0]!r} twice; give each an alias")
    return asked or pa.schema([(field.name, _natural_type(field)) for field in found])


def _natural_type(field: pa.Field) -> pa.DataType:
    if not _is_numeric(field):
        return field.type
    # numeric(p, s) is stored as ((p << 16) | s) + 4 in its type modifier, which is -1 without them.
    modifier = int(field.metadata[b"POSTGRESQL:typmod"]) - 4
    precision, scale = modifier >> 16, modifier & 0x7FF
    if not 0 < precision <= 38 or scale > precision:
        raise PipelineError(f"numeric column {field.name!r} has no fixed size; name it in schema=")
    return pa.decimal128(precision, scale)


def _is_numeric(field: pa.Field) -> bool:
    return isinstance(field.type, pa.OpaqueType) and field.type.type_name == "numeric"


def _with_text_numbers(sql: str, found: pa.Schema) -> str:
    """Have the server write numerics as text, which Arrow parses exactly.

    The driver hands numerics over as text too, but reading its own takes half as long again.
    """
    if not any(map(_is_numeric, found)):
        return sql
    columns = ", ".join(map(_selected, found))
    return f"SELECT {columns} FROM (\n{sql}\n) AS source"  # noqa: S608 - quoted names, caller's SQL


def _selected(field: pa.Field) -> str:
    name = identifier(field.name)
    return f"{name}::text AS {name}" if _is_numeric(field) else name
