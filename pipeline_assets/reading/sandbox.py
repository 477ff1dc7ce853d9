"""A DuckDB that sees some published tables and nothing else, for statements from outside.

Its views name the files of one snapshot of each table. Before the first statement runs, it is
locked to exactly these files, and no statement can change that back.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import pyarrow as pa

from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.engines.embedded.interruption import interrupted_after
from pipeline_assets.engines.standard_sql import identifier, literal
from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.storage.s3_access import S3_SCHEME

BATCH_ROWS: Final = 2_048
SMALL_BYTES: Final = 4 << 20
"""A table whose files have no more bytes is read once for all statements over a snapshot."""


class TimeLimitError(PipelineError):
    """A statement took longer than it may."""


class MemoryLimitError(PipelineError):
    """A statement needs more memory, or gives more bytes, than it may."""


@dataclass
class _Sandbox:
    """An open DuckDB, and how many statements run in it."""

    connection: duckdb.DuckDBPyConnection
    resources: ExitStack
    users: int = 0
    is_evicted: bool = False


@dataclass(frozen=True)
class Sandboxes:
    """Sandboxes that are kept for the next statement over the same snapshots.

    Attributes:
        engine: Its limits hold for each sandbox.
        kept: How many are kept; the one that was not used for longest goes first.
    """

    engine: EmbeddedEngine
    kept: int = 8
    _open: "OrderedDict[object, _Sandbox]" = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def run(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any],
        tables: Mapping[str, PublishedTable],
        seconds: float,
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        """Execute a statement that :func:`tables_of` has let pass; yields the rows as they come.

        Args:
            sql: The statement.
            parameters: Values of its ``?`` or ``$name``.
            tables: One snapshot of each table that it reads, by ``domain.name``.
            seconds: How long it may take until its last row is read.

        Raises:
            TimeLimitError: It took longer.
            MemoryLimitError: It needs more memory than the engine may take.
            PipelineError: DuckDB cannot execute it.
        """
        with (
            _in_our_words(seconds, tables),
            self._sandbox(tables) as sandbox,
            sandbox.connection.cursor() as cursor,
            interrupted_after(cursor, seconds),
        ):
            reader = cursor.execute(sql, parameters).to_arrow_reader(BATCH_ROWS)
            yield _told(iter(reader), seconds, tables)

    def close(self) -> None:
        """Close what nobody uses any more."""
        with self._lock:
            while self._open:
                self._evict(self._open.popitem(last=False)[1])

    @contextmanager
    def _sandbox(self, tables: Mapping[str, PublishedTable]) -> Iterator[_Sandbox]:
        key = frozenset((name, table.snapshot_id, table.keys) for name, table in tables.items())
        sandbox = self._entered(key)
        if sandbox is None:
            # Outside the lock: a table's files are listed, and statements over others go on.
            sandbox = self._kept(key, self._created(tables))
        try:
            yield sandbox
        finally:
            with self._lock:
                sandbox.users -= 1
                if sandbox.is_evicted and not sandbox.users:
                    sandbox.resources.close()

    def _entered(self, key: object) -> _Sandbox | None:
        with self._lock:
            sandbox = self._open.get(key)
            if sandbox:
                self._open.move_to_end(key)
                sandbox.users += 1
            return sandbox

    def _kept(self, key: object, created: _Sandbox) -> _Sandbox:
        """Keep a sandbox, in the place of one that another statement may have created meanwhile."""
        with self._lock:
            created.users += 1
            if other := self._open.pop(key, None):
                self._evict(other)
            self._open[key] = created
            if len(self._open) > self.kept:
                self._evict(self._open.popitem(last=False)[1])
            return created

    def _created(self, tables: Mapping[str, PublishedTable]) -> _Sandbox:
        files = [file for table in tables.values() for file in table.files]
        resources = ExitStack()
        uses_s3 = any(file.startswith(S3_SCHEME) for file in files)
        connection = resources.enter_context(self.engine.connect(uses_s3=uses_s3))
        # One thread a statement: rows come in the same order whenever it is executed again.
        connection.execute("SET threads = 1")
        for name, table in tables.items():
            domain, _, bare = name.partition(".")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(domain)}")
            place = f"{identifier(domain)}.{identifier(bare)}"
            kind = "TABLE" if _is_small(table) else "VIEW"
            connection.execute(f"CREATE {kind} {place} AS {table.sql}")
        paths = ", ".join(literal(file) for file in files)
        connection.execute(f"SET allowed_paths = [{paths}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return _Sandbox(connection, resources)

    def _evict(self, sandbox: _Sandbox) -> None:
        sandbox.is_evicted = True
        if not sandbox.users:
            sandbox.resources.close()


def _is_small(table: PublishedTable) -> bool:
    """Whether it is held in memory: a lookup then takes half the time that it takes in files."""
    return sum(record.bytes for record in table.records.values()) <= SMALL_BYTES


def _told(
    batches: Iterator[pa.RecordBatch], seconds: float, tables: Mapping[str, PublishedTable]
) -> Iterator[pa.RecordBatch]:
    """The batches; what DuckDB raises while they are computed, in words of ours."""
    with _in_our_words(seconds, tables):
        yield from batches


@contextmanager
def _in_our_words(seconds: float, tables: Mapping[str, PublishedTable]) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _refusal(error, seconds, tables) from error


def _refusal(
    error: Exception, seconds: float, tables: Mapping[str, PublishedTable]
) -> PipelineError:
    line = (str(error).splitlines() or [""])[0]
    # Arrow wraps what DuckDB raises while rows are read, so that only the text tells the kind.
    if "INTERRUPT Error" in line:
        return TimeLimitError(f"It took longer than {seconds:g} seconds")
    if "Out of Memory Error" in line:
        return MemoryLimitError("It needs more memory than a statement may take")
    # Whoever asks over HTTP need not know where the lake lies.
    for name, table in tables.items():
        if any(file in line for file in table.files):
            return PipelineError(f"A file of {name} cannot be read; its owner has to verify it")
    return PipelineError(line)
