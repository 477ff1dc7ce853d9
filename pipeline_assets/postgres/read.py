"""Streams query results from Postgres as Arrow.

All queries of a snapshot see the database at the same instant. Results stream over COPY in bounded
memory, and numbers keep their full precision.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

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
from pipeline_assets.postgres.sql import Value, literal

if TYPE_CHECKING:
    import pyarrow as pa
    from adbc_driver_manager import dbapi


@dataclass
class Snapshot:
    """A transaction whose queries all see the database at one instant."""

    dsn: SecretDsn
    connection: "dbapi.Connection"
    cleanup: ExitStack
    reads: int = 0

    def read(
        self,
        query: str,
        parameters: Mapping[str, Value] | None = None,
        schema: "pa.Schema | None" = None,
        batch_bytes: int = BATCH_BYTES,
    ) -> "pa.RecordBatchReader":
        """Run a query and stream its rows; read them all before the next query.

        Args:
            query: SQL with ``%(name)s`` where a parameter goes, and ``%%`` for a percent sign.
            parameters: Values by name, written as typed literals.
            schema: Wanted names, order and Arrow types; a value that does not fit is an error.
                Without it, every column keeps its type: ``numeric(p, s)`` becomes
                ``decimal128(p, s)``, ``timestamp`` has no zone, and ``timestamptz`` has UTC. A
                ``numeric`` without declared size needs the schema.
            batch_bytes: The approximate size of a batch in bytes of COPY data, on which memory
                depends.

        Returns:
            A reader whose schema is known even if there are no rows.

        Raises:
            PipelineError: A table or column is missing, the user may not read it, or a ``numeric``
                has no size. While reading: the connection is lost, a value does not fit its type,
                or the next query has begun.
        """
        import pyarrow as pa

        from pipeline_assets.postgres.conversion import wanted_schema, with_text_numbers

        self.reads += 1
        cursor = self._cursor(batch_bytes)
        values = {name: literal(value) for name, value in (parameters or {}).items()}
        sql = (query % values).rstrip("; \n")
        found = self._attempt(partial(cursor.adbc_execute_schema, sql))
        wanted = wanted_schema(found, schema)
        self._attempt(partial(cursor.execute, with_text_numbers(sql, found)))
        batches = self._attempt(cursor.fetch_record_batch)
        return pa.RecordBatchReader.from_batches(wanted, self._converted(batches, wanted))

    def _cursor(self, batch_bytes: int) -> "dbapi.Cursor":
        from adbc_driver_postgresql import StatementOptions  # type: ignore[import-untyped]

        hint = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(batch_bytes)}
        cursor = self.connection.cursor(adbc_stmt_kwargs=hint)
        # The driver wants cursors closed before their connection. The stack closes them first.
        return self.cleanup.enter_context(closing(cursor))

    def _converted(
        self, batches: "pa.RecordBatchReader", wanted: "pa.Schema"
    ) -> "Iterator[pa.RecordBatch]":
        from pipeline_assets.postgres.conversion import conformed

        turn = self.reads
        following: Callable[[], pa.RecordBatch | None] = partial(next, iter(batches), None)
        while (batch := self._in_turn(turn, following)) is not None:
            if batch.num_rows:
                yield conformed(batch, wanted)

    def _in_turn(self, turn: int, call: Callable[[], Result]) -> Result:
        # Two queries would read from one connection, and the first would get the second's rows.
        if turn != self.reads:
            raise PipelineError("a query was not read to its end before the snapshot's next one")
        return self._attempt(call)

    def _attempt(self, call: Callable[[], Result]) -> Result:
        return attempt(call, partial(query_fault, self.dsn))


@contextmanager
def snapshot(dsn: SecretDsn) -> Iterator[Snapshot]:
    """Open a read-only snapshot of a database for any number of queries.

    Raises:
        PipelineError: There is no connection.
    """
    with closing(connect(dsn)) as connection, ExitStack() as cleanup:
        execute(connection, dsn, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        execute(connection, dsn, "SET LOCAL TIME ZONE 'UTC'")
        yield Snapshot(dsn, connection, cleanup)


def stream(
    dsn: SecretDsn,
    query: str,
    parameters: Mapping[str, Value] | None = None,
    schema: "pa.Schema | None" = None,
    batch_bytes: int = BATCH_BYTES,
) -> "Iterator[pa.RecordBatch]":
    """Stream one query's rows from a snapshot of its own, which opens with the first batch.

    See ``Snapshot.read`` for arguments and errors.
    """
    with snapshot(dsn) as source:
        yield from source.read(query, parameters, schema, batch_bytes)
