"""The embedded engine: DuckDB in this process, streaming from storage to storage."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from pipeline_assets.dataset.sql import Dialect
from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.engines.embedded import duckdb_sql
from pipeline_assets.engines.embedded.auditing import OUTPUT, audit_output, rows_of
from pipeline_assets.engines.embedded.prepared import Prepare
from pipeline_assets.engines.embedded.relational import RELATIONAL
from pipeline_assets.engines.embedded.spill import spill_folder
from pipeline_assets.engines.embedded.streaming import consume_beside
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access
from spark_resources.job import (
    DataFile,
    Job,
    Kind,
    Manifest,
    Source,
    SourceFile,
    fresh_token,
)

RECORDS: Final = "records"
"""The table that an ingest's SQL selects from."""
BATCH_ROWS: Final = 50_000


@dataclass(frozen=True)
class EmbeddedEngine:
    """Runs jobs in DuckDB.

    Attributes:
        memory_limit_mib: Beyond this DuckDB spills to disk.
        threads: DuckDB's worker threads.
        spill_dir: Where it spills; a temporary folder where not given.
        s3: How to reach objects on S3.
        kinds: What each kind of job does before its output is written. Learning kinds are added to
            the relational ones by whoever builds the engine.
    """

    memory_limit_mib: int
    threads: int
    spill_dir: Path | None = None
    s3: S3Access = field(default_factory=S3Access)
    kinds: Mapping[Kind, Prepare] = field(default_factory=lambda: RELATIONAL)

    @property
    def name(self) -> str:
        """How settings and metadata call this engine."""
        return "embedded"

    @property
    def dialect(self) -> Dialect:
        """DuckDB's."""
        return "duckdb"

    def token(self, _work: Callable[[], str], _log: Log) -> str:
        """See :class:`pipeline_assets.engines.engine.Engine`; attempts end with their process."""
        return fresh_token()

    def run(self, job: Job, log: Log) -> Manifest:
        """See :class:`pipeline_assets.engines.engine.Engine`."""
        is_remote = _uses_s3(job.inputs, job.destination.uri)
        with _told_in_one_line(), self.connect(uses_s3=is_remote) as connection:
            return _run(connection, job, self.kinds, log, self._facts)

    def ingest(self, job: Job, records: Iterable[pa.RecordBatch]) -> Manifest:
        """Write records that come from this process, then audit them as :meth:`run` does.

        They are asked for in the caller's own thread, so that their errors come out as they are,
        and nothing is begun before there is one of them.

        Args:
            job: What to do; its SQL selects from the table ``records``.
            records: The rows, asked for once and in order.

        Raises:
            PipelineError: An input cannot be read or the output not be written.
        """
        started = time.perf_counter()
        is_remote = _uses_s3(job.inputs, job.destination.uri)
        with self.connect(uses_s3=is_remote) as connection:
            files = consume_beside(records, partial(_write_records, connection, job)) or ()
            with _told_in_one_line():
                for name, source in job.inputs.items():
                    _register(connection, name, source)
                return _audited(connection, job, files, started, self._facts)

    def write_csv(self, inputs: Mapping[str, Source], sql: str, uri: str) -> int:
        """Write what a query selects as one CSV object with a header and every field quoted.

        Args:
            inputs: What the query reads, by table name.
            sql: Selects text without nulls.
            uri: Of the object; complete when this returns.

        Returns:
            Its rows.

        Raises:
            PipelineError: An input cannot be read or the object not be written.
        """
        is_remote = _uses_s3(inputs, uri)
        with _told_in_one_line(), self.connect(uses_s3=is_remote) as connection:
            connection.execute("SET preserve_insertion_order = false")
            for name, source in inputs.items():
                _register(connection, name, source)
            if not is_remote:
                Path(uri).parent.mkdir(parents=True, exist_ok=True)
            copied = connection.execute(duckdb_sql.csv_statement(sql, uri)).fetchone()
            return int(copied[0]) if copied else 0

    @contextmanager
    def stream(self, inputs: Mapping[str, Source], sql: str) -> Iterator[Iterator[pa.RecordBatch]]:
        """The rows that a query selects, in batches of bounded size.

        Args:
            inputs: What the query reads, by table name.
            sql: A single SELECT.

        Raises:
            PipelineError: An input cannot be read, also while the batches are consumed.
        """
        with self.connect(uses_s3=_uses_s3(inputs, "")) as connection:
            with _told_in_one_line():
                connection.execute("SET preserve_insertion_order = false")
                for name, source in inputs.items():
                    _register(connection, name, source)
                reader = connection.execute(sql).to_arrow_reader(BATCH_ROWS)
            yield _batches(reader)

    @contextmanager
    def connect(self, *, uses_s3: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with this engine's limits, and S3 access where asked for."""
        with (
            spill_folder(self.spill_dir) as spill,
            closing(duckdb.connect(config=self._config(str(spill)))) as connection,
        ):
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = false")  # runs tell their own progress
            if uses_s3:
                duckdb_sql.enable_s3(connection, self.s3)
            yield connection

    def _config(self, spill: str) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": f"{self.memory_limit_mib}MiB",
            "threads": self.threads,
            "temp_directory": spill,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }

    @property
    def _facts(self) -> dict[str, Any]:
        return {
            "engine": self.name,
            "duckdb": duckdb.__version__,
            "memory_limit_mib": self.memory_limit_mib,
            "threads": self.threads,
        }


def _run(
    connection: duckdb.DuckDBPyConnection,
    job: Job,
    kinds: Mapping[Kind, Prepare],
    log: Log,
    facts: Mapping[str, Any],
) -> Manifest:
    started = time.perf_counter()
    connection.execute(f"SET preserve_insertion_order = {_needs_order(job)}")
    for name, source in job.inputs.items():
        _register(connection, name, source)
    prepared = kinds[job.kind](connection, job, log)
    files = _write(connection, prepared.sql, job)
    return _audited(connection, job, files, started, {**facts, **prepared.facts})


def _audited(
    connection: duckdb.DuckDBPyConnection,
    job: Job,
    files: tuple[DataFile, ...],
    started: float,
    facts: Mapping[str, Any],
) -> Manifest:
    """Look at what was written, before anybody else may."""
    written = time.perf_counter()
    output = tuple(SourceFile(file.uri) for file in files)
    _register(connection, OUTPUT, Source("parquet", job.schema, output))
    rows, audits, measures = audit_output(connection, job)
    return Manifest(
        token=job.token,
        rows=rows,
        files=files,
        audits=audits,
        reports={name: rows_of(connection, sql) for name, sql in job.audit.report_sql.items()},
        timings={"write": written - started, "audit": time.perf_counter() - written},
        facts=facts,
        measures=measures,
    )


def _register(connection: duckdb.DuckDBPyConnection, name: str, source: Source) -> None:
    view = duckdb_sql.identifier(name)
    connection.execute(f"CREATE VIEW {view} AS {duckdb_sql.source_query(source)}")


def _write(connection: duckdb.DuckDBPyConnection, sql: str, job: Job) -> tuple[DataFile, ...]:
    if not job.destination.uri.startswith(S3_SCHEME):
        Path(job.destination.uri).mkdir(parents=True, exist_ok=True)
    conformed = duckdb_sql.conform(sql, job.schema, job.destination)
    written = connection.execute(duckdb_sql.copy_statement(conformed, job.destination)).fetchall()
    keys = job.destination.partition_keys
    return tuple(
        DataFile(uri, rows, size, partition=_partition(values, keys))
        for uri, rows, size, _, _, values in written
        if rows
    )


def _write_records(
    connection: duckdb.DuckDBPyConnection, job: Job, records: pa.RecordBatchReader
) -> tuple[DataFile, ...]:
    with _told_in_one_line():
        connection.execute("SET preserve_insertion_order = false")
        connection.register(RECORDS, records)
        return _write(connection, job.sql, job)


def _partition(values: dict[str, str] | None, keys: tuple[str, ...]) -> str | None:
    if values:
        return next(iter(values.values()))
    return keys[0] if keys else None


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with _told_in_one_line():
        yield from reader


def _needs_order(job: Job) -> bool:
    """Line numbers come from the order of lines; nothing else depends on order."""
    return any("line_number" in source.schema for source in job.inputs.values())


def _uses_s3(inputs: Mapping[str, Source], destination: str) -> bool:
    uris = [file.uri for source in inputs.values() for file in source.files]
    return any(uri.startswith(S3_SCHEME) for uri in [destination, *uris])


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise PipelineError(f"Embedded engine: {str(error).splitlines()[0]}") from error
