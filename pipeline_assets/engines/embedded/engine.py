"""The embedded engine: DuckDB in this process.

Rows stream from storage to storage. What exceeds the memory limit spills to disk, so tables may be
larger than memory.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import duckdb

from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.engines.embedded import duckdb_sql
from pipeline_assets.engines.embedded.audits import OUTPUT, evaluate, rows_of
from pipeline_assets.engines.embedded.footers import Copied, data_files, footers, known
from pipeline_assets.engines.embedded.interruption import interruptibly, interruptions_kept
from pipeline_assets.engines.embedded.prepared import Prepare
from pipeline_assets.engines.embedded.relational import RELATIONAL
from pipeline_assets.engines.embedded.spill import spill_folder
from pipeline_assets.engines.embedded.streaming import consume_beside
from pipeline_assets.engines.engine import RECORDS
from pipeline_assets.engines.standard_sql import identifier
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access
from spark_resources.job import (
    Job,
    Kind,
    Manifest,
    Source,
    SourceFile,
    fresh_token,
)

if TYPE_CHECKING:
    import pyarrow as pa


BATCH_ROWS: Final = 50_000


@dataclass(frozen=True)
class EmbeddedEngine:
    """Runs jobs in DuckDB.

    Attributes:
        memory_limit_mib: Memory beyond which DuckDB spills to disk.
        threads: DuckDB's worker threads.
        spill_dir: Folder for spill files; by default the system's temporary folder.
        s3: How to reach objects on S3.
        kinds: The function that prepares each kind of job. The deployment adds the learning kinds
            to the relational ones.
    """

    memory_limit_mib: int
    threads: int
    spill_dir: Path | None = None
    s3: S3Access = field(default_factory=S3Access)
    kinds: Mapping[Kind, Prepare] = field(default_factory=lambda: RELATIONAL)

    @property
    def name(self) -> str:
        """The name in settings and metadata."""
        return "embedded"

    @property
    def dialect(self) -> Dialect:
        """The dialect of DuckDB."""
        return "duckdb"

    def token(self, _work: Callable[[], str], _log: Log) -> str:
        """See :class:`pipeline_assets.engines.engine.Engine`; an attempt ends with this process."""
        return fresh_token()

    def run(self, job: Job, log: Log) -> Manifest:
        """See :class:`pipeline_assets.engines.engine.Engine`."""
        is_remote = _uses_s3(job.inputs, job.destination.uri)
        with _one_line_errors(job.inputs), self.connect(uses_s3=is_remote) as connection:
            return _run(connection, job, self.kinds, log, self._facts)

    def ingest(self, job: Job, records: "Iterable[pa.RecordBatch]") -> Manifest:
        """Write records that come from this process, then audit them as :meth:`run` does.

        The records are read in the caller's own thread, so their errors reach the caller as they
        are. The engine writes nothing before the first record has come.

        Args:
            job: The job; its SQL selects from the table ``records``.
            records: The rows, read once and in order.

        Raises:
            PipelineError: An input cannot be read, or the output cannot be written.
        """
        started = time.perf_counter()
        is_remote = _uses_s3(job.inputs, job.destination.uri)
        with self.connect(uses_s3=is_remote) as connection:
            # The records' own errors come out as they are: only what DuckDB says is reworded.
            written = consume_beside(records, partial(_write_records, connection, job)) or ()
            with _one_line_errors(job.inputs):
                _register(connection, job.inputs)
                return _audited(connection, job, written, started, self._facts)

    def write_csv(self, inputs: Mapping[str, Source], sql: str, uri: str) -> int:
        """Write the rows of a query as one CSV object with a header and every field quoted.

        Args:
            inputs: The inputs of the query by table name.
            sql: A query of text columns without nulls.
            uri: URI of the object, which is complete when this returns.

        Returns:
            The number of its rows.

        Raises:
            PipelineError: An input cannot be read, or the object cannot be written.
        """
        is_remote = _uses_s3(inputs, uri)
        with _one_line_errors(inputs), self.connect(uses_s3=is_remote) as connection:
            connection.execute("SET preserve_insertion_order = false")
            _register(connection, inputs)
            if not is_remote:
                Path(uri).parent.mkdir(parents=True, exist_ok=True)
            copied = connection.execute(duckdb_sql.csv_statement(sql, uri)).fetchone()
            return int(copied[0]) if copied else 0

    @contextmanager
    def stream(
        self, inputs: Mapping[str, Source], sql: str
    ) -> "Iterator[Iterator[pa.RecordBatch]]":
        """The rows of a query, in batches of bounded size.

        Args:
            inputs: The inputs of the query by table name.
            sql: A single SELECT.

        Raises:
            PipelineError: An input cannot be read, also while the batches are consumed.
        """
        with self.connect(uses_s3=_uses_s3(inputs, "")) as connection:
            with _one_line_errors(inputs):
                connection.execute("SET preserve_insertion_order = false")
                _register(connection, inputs)
                reader = connection.execute(sql).to_arrow_reader(BATCH_ROWS)
            yield _one_line_batches(connection, reader, inputs)

    @contextmanager
    def connect(self, *, uses_s3: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with this engine's limits, and S3 access where asked for."""
        with (
            spill_folder(self.spill_dir) as spill,
            closing(
                duckdb.connect(config=self._config | {"temp_directory": str(spill)})
            ) as connection,
            interruptions_kept(),
        ):
            # Timestamps mean UTC on every engine, whatever the time zone of the machine.
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = false")
            if uses_s3:
                duckdb_sql.enable_s3(connection, self.s3)
            yield connection

    @property
    def _config(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": f"{self.memory_limit_mib}MiB",
            "threads": self.threads,
            # The engine downloads nothing at run time: extensions come from pip.
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
    # Line numbers come from the order of lines; nothing else depends on order, and keeping it
    # costs.
    is_numbered = any(
        source.format == "lines" and "line_number" in source.schema
        for source in job.inputs.values()
    )
    connection.execute(f"SET preserve_insertion_order = {is_numbered}")
    _register(connection, job.inputs)
    prepared = kinds[job.kind](connection, job, log)
    if any(source.format == "lines" for source in job.inputs.values()):
        connection.execute(duckdb_sql.JOINS_AS_WRITTEN)
    written = _write(connection, prepared.sql, job)
    connection.execute(duckdb_sql.JOINS_AT_CHOICE)
    return _audited(connection, job, written, started, {**facts, **prepared.facts})


def _audited(
    connection: duckdb.DuckDBPyConnection,
    job: Job,
    copied: Copied,
    started: float,
    facts: Mapping[str, Any],
) -> Manifest:
    """Audit the written files and report, before anybody publishes them."""
    written = time.perf_counter()
    files = data_files(copied, next(iter(job.destination.partition_keys), None))
    output = tuple(SourceFile(file.uri) for file in files)
    _register(connection, {OUTPUT: Source("parquet", job.schema, output)})
    told = known(job.audit, sum(file.rows for file in files), footers(copied))
    rows, audits, measures = evaluate(connection, job, told)
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


def _register(connection: duckdb.DuckDBPyConnection, sources: Mapping[str, Source]) -> None:
    for name, source in sources.items():
        view = identifier(name)
        connection.execute(f"CREATE VIEW {view} AS {duckdb_sql.source_query(source)}")


def _write(connection: duckdb.DuckDBPyConnection, sql: str, job: Job) -> Copied:
    if not job.destination.uri.startswith(S3_SCHEME):
        Path(job.destination.uri).mkdir(parents=True, exist_ok=True)
    conformed = duckdb_sql.conform(sql, job.schema, job.destination)
    order = connection.execute("SELECT current_setting('preserve_insertion_order')").fetchone()
    copy = duckdb_sql.copy_statement(conformed, job.destination, keeps_order=order == (True,))
    return interruptibly(connection, lambda: connection.execute(copy).fetchall())


def _write_records(
    connection: duckdb.DuckDBPyConnection, job: Job, records: "pa.RecordBatchReader"
) -> Copied:
    with _one_line_errors():
        connection.execute("SET preserve_insertion_order = false")
        connection.register(RECORDS, records)
        return _write(connection, job.sql, job)


def _one_line_batches(
    connection: duckdb.DuckDBPyConnection,
    reader: "pa.RecordBatchReader",
    inputs: Mapping[str, Source],
) -> "Iterator[pa.RecordBatch]":
    with _one_line_errors(inputs):
        while (batch := interruptibly(connection, lambda: next(reader, None))) is not None:
            yield batch


def _uses_s3(inputs: Mapping[str, Source], destination: str) -> bool:
    uris = [file.uri for source in inputs.values() for file in source.files]
    return any(uri.startswith(S3_SCHEME) for uri in [destination, *uris])


@contextmanager
def _one_line_errors(inputs: Mapping[str, Source] = MappingProxyType({})) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        said = str(error).splitlines()[0]
        read = [file.uri for source in inputs.values() for file in source.files]
        # A published file that cannot be read is damaged, or has gone. Of damage in the structure
        # of Parquet DuckDB names no file, and has no class of its own.
        is_damage = any(it in said for it in read) or (bool(read) and type(error) is duckdb.Error)
        hint = "; run: pipeline-assets verify --deep" if is_damage else ""
        raise PipelineError(f"Embedded engine: {said}{hint}") from error
