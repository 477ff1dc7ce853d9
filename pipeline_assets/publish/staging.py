"""Write and audit: from an asset and its loaded inputs to files that only need a commit."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, TypeAlias

import ibis.expr.types as ir
import pyarrow as pa

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import (
    Compiled,
    Computation,
    compile_computation,
    kind_of,
    table_of,
)
from pipeline_assets.dataset.inputs import Input, LandedInput, LazyTable
from pipeline_assets.dataset.lineage import InputColumn, column_lineage
from pipeline_assets.dataset.parameters import CONFIG, WORKSPACE
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.database import WAREHOUSE, Database
from pipeline_assets.dataset.values.destinations import Export, WarehouseExport
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.progress import Log, Progress
from pipeline_assets.dataset.values.table import WHOLE_TABLE, PartitionRecord
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.engines.engine import Engine
from pipeline_assets.engines.router import Engines
from pipeline_assets.errors import PipelineError
from pipeline_assets.exports.csv_objects import ExportWriter
from pipeline_assets.exports.warehouse_tables import WarehouseWriter
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.publish.asset_audit import audit_of
from pipeline_assets.staleness.outside_systems import outside_versions
from pipeline_assets.staleness.versions import digest, evaluate, function_parameters, input_versions
from spark_resources.job import Audit, Destination, Job, Manifest, Source, fresh_token

RECORDS: Final = "records"
Lineage: TypeAlias = Mapping[str, frozenset[InputColumn]]


@dataclass(frozen=True)
class Request:
    """One execution of an asset.

    Attributes:
        keys: The partitions to make; none for a table that is replaced as a whole.
        run_id: The Dagster run.
        code_version: Of the asset.
        config: Its run config, if it has any.
        log: Told about progress.
    """

    keys: tuple[str, ...]
    run_id: str
    code_version: str
    config: Any
    log: Log


@dataclass(frozen=True)
class Staged:
    """Partitions that are written and audited but not yet published.

    Attributes:
        manifest: What the engine did.
        records: What each partition was made from.
        lineage: Output column to the input columns that feed it.
        moves: From where each exported object lies to the name it gets when it is published.
    """

    manifest: Manifest
    records: Mapping[str, PartitionRecord]
    lineage: Lineage = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Of all its partitions together."""
        return digest({key: record.version for key, record in self.records.items()})


@dataclass(frozen=True)
class AlreadyPublished:
    """Partitions that are published just as they would be made now."""

    records: Mapping[str, PartitionRecord]

    @property
    def version(self) -> str:
        """Of all of them together, as :attr:`Staged.version`."""
        return digest({key: record.version for key, record in self.records.items()})


@dataclass(frozen=True)
class Stager:
    """Runs assets on engines.

    Attributes:
        lake: Says where tables lie.
        store: Writes raw files there.
        engines: Compute.
        part_bytes: Size of raw text parts.
        progress: Shown to whoever waits.
        databases: What ingesting functions may ask for by parameter name, and exports load into.
    """

    lake: Lake
    store: ObjectStore
    engines: Engines
    part_bytes: int
    progress: Progress
    databases: Mapping[str, Database] = field(default_factory=dict)

    def stage(self, asset: LakeAsset, inputs: Mapping[str, Input], request: Request) -> Staged:
        """Compute partitions of an asset into a fresh prefix and audit them there.

        Raises:
            PipelineError: An input or the computation is unusable, or these are more partitions
                than one run of the asset may make.
        """
        _require_few(asset, request.keys)
        attempt = self._attempt(asset, inputs, request)
        if asset.kind == "ingest":
            return self._ingest(attempt)
        return self._export(attempt, asset.export) if asset.export else self._compute(attempt)

    def already_published(
        self, asset: LakeAsset, inputs: Mapping[str, Input], request: Request
    ) -> AlreadyPublished | None:
        """What was asked for, if all of it is published from the same inputs by the same code.

        Raises:
            PipelineError: The catalog or a system outside the lake cannot be read.
        """
        attempt = self._attempt(asset, inputs, request)
        published = self.lake.records(asset.table)
        records = {key: published[key] for key in attempt.keys if key in published}
        is_same = all(record.version == _version(attempt, key) for key, record in records.items())
        return AlreadyPublished(records) if is_same and len(records) == len(attempt.keys) else None

    def _attempt(
        self, asset: LakeAsset, inputs: Mapping[str, Input], request: Request
    ) -> "_Attempt":
        home = f"{self.lake.location(asset.table)}/data"
        outside = outside_versions(asset, self.databases, request.keys)
        return _Attempt(asset, inputs, request, fresh_token(), home, outside)

    def _compute(self, attempt: "_Attempt") -> Staged:
        computation = _requested(attempt, _evaluated(attempt))
        engine = self.engines.for_job(attempt.asset.name, kind_of(computation))
        contract, log = attempt.asset.table.contract, attempt.request.log
        compiled = compile_computation(computation, contract, engine.dialect)
        token = engine.token(lambda: self._work(attempt, compiled, engine), log)
        manifest = engine.run(_job(replace(attempt, token=token), compiled, engine), log)
        _require_settled(attempt, manifest)
        lineage = column_lineage(table_of(computation))
        # What a job learns from has columns of its own; those it passes on are the table's too.
        kept = {name: found for name, found in lineage.items() if name in contract.schema}
        return Staged(manifest, _records(attempt, manifest), kept)

    def _work(self, attempt: "_Attempt", compiled: Compiled, engine: Engine) -> str:
        """What is computed from what, and what it will replace: the same again is the same work.

        Once it is published, to make it anew is other work, which needs files of its own.
        """
        versions = {key: _input_versions(attempt, key) for key in attempt.keys}
        records = self.lake.records(attempt.asset.table)
        replaced = {key: records[key].run_id for key in attempt.keys if key in records}
        audit = asdict(_audit(attempt, engine))
        return digest([attempt.home, asdict(compiled), audit, versions, replaced])

    def _ingest(self, attempt: "_Attempt") -> Staged:
        manifest = self._write(attempt, attempt.asset.function(**self._arguments(attempt)))
        return Staged(manifest, _records(attempt, manifest))

    def _export(self, attempt: "_Attempt", export: Export | WarehouseExport) -> Staged:
        """Write what leaves the lake, then the table that lists it."""
        rows = export.rows.conform(_evaluated(attempt))
        if isinstance(export, WarehouseExport):
            return self._load(attempt, export, rows)
        writer = ExportWriter(
            export=export,
            table=attempt.asset.table,
            engine=self.engines.embedded,
            store=self.store,
            lake_uri=self.lake.access.warehouse,
            fresh_uri=f"{attempt.location}/objects",
        )
        objects = [writer.write(key, rows, attempt.sources) for key in attempt.keys]
        manifest = self._write(attempt, [writer.listing(objects)])
        moves = {item.staged_uri: item.uri for item in objects}
        return Staged(manifest, _records(attempt, manifest), moves=moves)

    def _load(self, attempt: "_Attempt", export: WarehouseExport, rows: ir.Table) -> Staged:
        """Load the partitions, then write the table that lists them."""
        writer = WarehouseWriter(
            export=export,
            table=attempt.asset.table,
            engine=self.engines.embedded,
            dsn=self.databases[WAREHOUSE].require(),
            versions={key: digest(_input_versions(attempt, key)) for key in attempt.keys},
        )
        loaded = writer.write(rows, attempt.sources)
        manifest = self._write(attempt, [writer.listing(loaded)])
        return Staged(manifest, _records(attempt, manifest))

    def _write(self, attempt: "_Attempt", records: Iterable[pa.RecordBatch]) -> Manifest:
        """Write and audit rows that come from this process."""
        engine = self.engines.embedded
        schema = pa.schema(attempt.asset.table.contract.schema.to_pyarrow())
        batches = _Remembering(records)
        job = _job(attempt, Compiled("query", f"SELECT * FROM {RECORDS}"), engine)  # noqa: S608
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        try:
            return engine.run(job, attempt.request.log, arrow={RECORDS: reader})
        except PipelineError as error:
            raise batches.error or error from None

    def _arguments(self, attempt: "_Attempt") -> dict[str, Any]:
        available_versions: dict[str, Any] = {
            **self.databases,
            **attempt.landed,
            WORKSPACE: self._workspace(attempt),
            CONFIG: attempt.request.config,
        }
        return {name: available_versions[name] for name in function_parameters(attempt.asset)}

    def _workspace(self, attempt: "_Attempt") -> Workspace:
        def put(path: str, data: bytes) -> str:
            uri = f"{attempt.location}/raw/{path}"
            self.store.put(uri, data)
            return uri

        asset, keys = attempt.asset, attempt.request.keys
        return Workspace(
            keys=keys,
            put=put,
            part_bytes=self.part_bytes,
            progress=self.progress,
            log=attempt.request.log,
            schema=pa.schema(asset.table.contract.schema.to_pyarrow()),
            windows=asset.partitioning.windows(keys) if asset.partitioning else {},
        )


class _Remembering:
    """Passes batches on and keeps the error that ended them; DuckDB tells only that one did."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self.error: Exception | None = None

    def __iter__(self) -> "_Remembering":
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            return next(self._batches)
        except StopIteration:
            raise
        except Exception as error:
            self.error = error
            raise


@dataclass(frozen=True)
class _Attempt:
    """Everything about one try at one request."""

    asset: LakeAsset
    inputs: Mapping[str, Input]
    request: Request
    token: str
    home: str
    outside: Mapping[str, str]

    @property
    def location(self) -> str:
        return f"{self.home}/{self.token}"

    @property
    def keys(self) -> tuple[str, ...]:
        return self.request.keys or (WHOLE_TABLE,)

    @property
    def _lazy(self) -> dict[str, LazyTable]:
        return {
            name: loaded for name, loaded in self.inputs.items() if isinstance(loaded, LazyTable)
        }

    @property
    def tables(self) -> dict[str, ir.Table]:
        return {name: lazy.table for name, lazy in self._lazy.items()}

    @property
    def stored(self) -> dict[str, ir.Table]:
        return {name: lazy.rows for name, lazy in self._lazy.items()}

    @property
    def sources(self) -> dict[str, Source]:
        return {
            name: source for lazy in self._lazy.values() for name, source in lazy.sources.items()
        }

    @property
    def landed(self) -> dict[str, Any]:
        return {
            name: loaded.landed
            for name, loaded in self.inputs.items()
            if isinstance(loaded, LandedInput)
        }


def _evaluated(attempt: _Attempt) -> Any:  # noqa: ANN401 - as the function returns
    request = attempt.request
    return evaluate(attempt.asset, attempt.tables, request.config, request.keys)


def _requested(attempt: _Attempt, computation: Computation) -> Computation:
    """Drop partitions nobody asked for, which a function that sees more than its own computes."""
    column = attempt.asset.table.partition_column
    sees_more = any(spec.partition_mapping for spec in attempt.asset.inputs)
    if column is None or not sees_more or not isinstance(computation, ir.Table):
        return computation
    return computation.filter(computation[column].cast("string").isin(attempt.request.keys))


def _require_few(asset: LakeAsset, keys: Sequence[str]) -> None:
    """Dagster cuts backfills to size, but runs a range that somebody tags a run with."""
    if len(keys) > asset.partitions_per_run:
        raise PipelineError(
            f"{asset.table} makes at most {asset.partitions_per_run} partitions a run, "
            f"not {len(keys)}: start a backfill, which cuts them to size"
        )


def _require_settled(attempt: _Attempt, manifest: Manifest) -> None:
    """A fixpoint that was cut short is no result; other computations have nothing to settle."""
    if manifest.facts.get("converged") is False:
        raise PipelineError(
            f"{attempt.asset.table} still changed after {manifest.facts['rounds']} rounds; "
            "allow more of them"
        )


def _job(attempt: _Attempt, compiled: Compiled, engine: Engine) -> Job:
    contract = attempt.asset.table.contract
    return Job(
        token=attempt.token,
        kind=compiled.kind,
        inputs=attempt.sources,
        sql=compiled.sql,
        schema=schema_names(contract.schema),
        destination=Destination(
            attempt.location, attempt.asset.table.partition_column, attempt.request.keys
        ),
        audit=_audit(attempt, engine),
        parameters=compiled.parameters,
        labels={
            "asset": attempt.asset.name,
            "partitions": ",".join(attempt.request.keys),
            "run": attempt.request.run_id,
        },
    )


def _audit(attempt: _Attempt, engine: Engine) -> Audit:
    request = attempt.request
    return audit_of(attempt.asset, attempt.stored, request.keys, engine.dialect)


def _records(attempt: _Attempt, manifest: Manifest) -> dict[str, PartitionRecord]:
    rows: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for file in manifest.files:
        rows[file.partition or WHOLE_TABLE] += file.rows
        size[file.partition or WHOLE_TABLE] += file.bytes
    return {key: _record(attempt, key, rows[key], size[key]) for key in attempt.keys}


def _input_versions(attempt: _Attempt, key: str) -> dict[str, str]:
    versions = input_versions(attempt.asset, attempt.inputs, key)
    system, outside = attempt.asset.system, attempt.outside
    return {**versions, system: outside[key]} if system and key in outside else versions


def _record(attempt: _Attempt, key: str, rows: int, size: int) -> PartitionRecord:
    request = attempt.request
    inputs = _input_versions(attempt, key)
    version = _version(attempt, key)
    return PartitionRecord(version, inputs, request.code_version, request.run_id, rows, size)


def _version(attempt: _Attempt, key: str) -> str:
    """Of a partition, if it is made by this attempt."""
    request = attempt.request
    config = request.config.model_dump(mode="json") if request.config else None
    return digest([request.code_version, config, _input_versions(attempt, key)])
