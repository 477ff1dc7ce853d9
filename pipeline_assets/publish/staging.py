"""Write and audit: from an asset and its loaded inputs to files that only need a commit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import (
    Compiled,
    Computation,
    compile_computation,
    kind_of,
    table_of,
)
from pipeline_assets.dataset.inputs import Input
from pipeline_assets.dataset.lineage import InputColumn, column_lineage
from pipeline_assets.dataset.parameters import CONFIG, WORKSPACE
from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.dataset.values.database import OutsideSystem
from pipeline_assets.dataset.values.destinations import Destination
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.progress import Progress
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.engines.engine import RECORDS, Engine
from pipeline_assets.engines.router import Engines
from pipeline_assets.errors import DeclarationError, PipelineError
from pipeline_assets.exports.exporter import Exporter, Outgoing, StagedExport, discarded_on_failure
from pipeline_assets.iceberg.checksums import Checksum
from pipeline_assets.profiles.profiles import ColumnProfile, profiles_in
from pipeline_assets.publish.attempt import Attempt, Request
from pipeline_assets.publish.publication import Origin
from pipeline_assets.staleness.outside_systems import outside_versions
from pipeline_assets.staleness.versions import digest, function_parameters
from spark_resources.job import Manifest, fresh_token

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline_assets.iceberg.tables import Lake

Lineage: TypeAlias = Mapping[str, frozenset[InputColumn]]


@dataclass(frozen=True)
class Staged:
    """Partitions that are written and audited but not yet published.

    Attributes:
        manifest: What the engine did.
        records: What each partition was materialised from.
        profiles: What each partition looks like; one without rows may have none.
        lineage: Output column to the input columns that feed it.
        export: What is to be committed at a destination outside the lake, before the table.
        checksums: Of files whose bytes the engine or whoever wrote them has summed up.
        outdated: Partitions that go with the publish, of an asset that keeps only the newest.
        origin: What was read.
    """

    manifest: Manifest
    records: Mapping[str, PartitionRecord]
    profiles: Mapping[str, tuple[ColumnProfile, ...]]
    lineage: Lineage = field(default_factory=dict)
    export: StagedExport | None = None
    checksums: Mapping[str, Checksum] = field(default_factory=dict)
    outdated: tuple[str, ...] = ()
    origin: Origin = field(default_factory=Origin)

    @property
    def version(self) -> str:
        """Of all its partitions together."""
        return digest({key: record.version for key, record in self.records.items()})

    def discarded_on_failure(self) -> AbstractContextManager[None]:
        """Leave a destination as it was, unless what follows comes to its end."""
        return discarded_on_failure(self.export)


@dataclass(frozen=True)
class AlreadyPublished:
    """Partitions that are published just as they would be materialised now."""

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
        landing_expansion: How many bytes one byte of a compressed delivery may unfold to.
        progress: Shown to whoever waits.
        systems: What ingesting functions may ask for by parameter name.
        exporters: What writes to destinations outside the lake, by their kind.
    """

    lake: "Lake"
    store: ObjectStore
    engines: Engines
    part_bytes: int
    landing_expansion: int
    progress: Progress
    systems: Mapping[str, OutsideSystem] = field(default_factory=dict)
    exporters: Mapping[str, Exporter[Any]] = field(default_factory=dict)

    def attempt(self, asset: LakeAsset, inputs: Mapping[str, Input], request: Request) -> Attempt:
        """Take up a request.

        Raises:
            PipelineError: These are more partitions than one run of the asset may materialise, or a
                system outside the lake cannot be asked.
        """
        _require_few(asset, request.keys)
        home = f"{self.lake.writing_location(asset.table)}/data"
        outside = outside_versions(asset, self.systems, request.keys)
        return Attempt(asset, inputs, request, fresh_token(), home, outside)

    def already_published(self, attempt: Attempt) -> AlreadyPublished | None:
        """What was asked for, if all of it is published from the same inputs by the same code.

        Raises:
            PipelineError: The catalog cannot be read.
        """
        published = self.lake.records(attempt.asset.table)
        records = {key: published[key] for key in attempt.keys if key in published}
        is_same = all(record.version == attempt.version(key) for key, record in records.items())
        return AlreadyPublished(records) if is_same and len(records) == len(attempt.keys) else None

    def stage(self, attempt: Attempt) -> Staged:
        """Compute partitions of an asset into a fresh prefix and audit them there.

        Raises:
            PipelineError: An input or the computation is unusable, or the contract asks for what
                published files cannot be read as.
        """
        asset = attempt.asset
        # Before hours of computing show that the table cannot follow its contract.
        for line in self.lake.schema_changes(asset.table):
            attempt.request.log(f"With this publish of {asset.table}, {line}")
        if asset.kind == "ingest":
            sums: dict[str, Checksum] = {}
            manifest = self._write(attempt, asset.function(**self._arguments(attempt, sums)))
            # Most assets keep every partition, and then the catalog need not be asked.
            published = self.lake.records(asset.table) if asset.keeps_newest else ()
            outdated = attempt.outdated(published)
            return replace(_staged(attempt, manifest), checksums=sums, outdated=outdated)
        return self._export(attempt, asset.export) if asset.export else self._compute(attempt)

    def _compute(self, attempt: Attempt) -> Staged:
        computation = _requested(attempt, attempt.evaluated())
        engine = self.engines.for_job(attempt.asset.name, kind_of(computation))
        contract, log = attempt.asset.table.contract, attempt.request.log
        compiled = compile_computation(computation, contract, engine.dialect)
        token = engine.token(lambda: self._work(attempt, compiled, engine), log)
        manifest = engine.run(replace(attempt, token=token).job(compiled, engine), log)
        _require_settled(attempt, manifest)
        lineage = column_lineage(table_of(computation))
        # What a job learns from has columns of its own; those it passes on are the table's too.
        kept = {name: found for name, found in lineage.items() if name in contract.schema}
        return _staged(attempt, manifest, lineage=kept)

    def _work(self, attempt: Attempt, compiled: Compiled, engine: Engine) -> str:
        """What is computed from what, and what it will replace: the same again is the same work.

        Once it is published, to materialise it anew is other work, which needs files of its own.
        """
        versions = {key: attempt.input_versions(key) for key in attempt.keys}
        records = self.lake.records(attempt.asset.table)
        replaced = {key: records[key].run_id for key in attempt.keys if key in records}
        audit = asdict(attempt.audit(engine))
        return digest([attempt.home, asdict(compiled), audit, versions, replaced])

    def _export(self, attempt: Attempt, destination: Destination) -> Staged:
        """Write what leaves the lake, then the table that lists it."""
        outgoing = Outgoing(
            table=attempt.asset.table,
            rows=destination.rows.conform(attempt.evaluated()),
            inputs=attempt.sources,
            versions={key: digest(attempt.input_versions(key)) for key in attempt.keys},
            fresh_uri=f"{attempt.location}/export",
            config=attempt.request.config,
        )
        export = self.exporters[destination.kind].stage(destination, outgoing)
        with discarded_on_failure(export):
            return _staged(attempt, self._write(attempt, [export.listing]), export=export)

    def _write(self, attempt: Attempt, records: "Iterable[pa.RecordBatch]") -> Manifest:
        """Write and audit rows that come from this process."""
        engine = self.engines.embedded
        compiled = Compiled("query", f"SELECT * FROM {RECORDS}")  # noqa: S608
        return engine.ingest(attempt.job(compiled, engine), _as_declared(attempt.asset, records))

    def _arguments(self, attempt: Attempt, sums: dict[str, Checksum]) -> dict[str, Any]:
        available_versions: dict[str, Any] = {
            **self.systems,
            **attempt.landed,
            **{name: self._rows(attempt, table) for name, table in attempt.tables.items()},
            WORKSPACE: self._workspace(attempt, sums),
            CONFIG: attempt.request.config,
        }
        return {name: available_versions[name] for name in function_parameters(attempt.asset)}

    def _rows(self, attempt: Attempt, table: ir.Table) -> "pa.Table":
        """An input that an ingesting function reads row by row."""
        import pyarrow as pa

        with self.engines.embedded.stream(attempt.sources, to_sql(table, "duckdb")) as batches:
            return pa.Table.from_batches(batches, table.schema().to_pyarrow())

    def _workspace(self, attempt: Attempt, sums: dict[str, Checksum]) -> Workspace:
        asset, keys = attempt.asset, attempt.request.keys
        return Workspace(
            keys=keys,
            store=self.store,
            location=f"{attempt.location}/raw",
            part_bytes=self.part_bytes,
            landing_expansion=self.landing_expansion,
            progress=self.progress,
            log=attempt.request.log,
            schema=asset.table.contract.schema.to_pyarrow(),
            windows=asset.partitioning.windows(keys) if asset.partitioning else {},
            stored=lambda uri, data: sums.setdefault(uri, Checksum.of(data)),
            landing=next((it.store for it in attempt.landed.values()), None),
        )


def _as_declared(
    asset: LakeAsset, records: "Iterable[pa.RecordBatch]"
) -> "Iterator[pa.RecordBatch]":
    """The batches of an ingest, whose types nobody knows before they come.

    Raises:
        DeclarationError: A batch is not what the contract promises.
    """
    if not isinstance(records, Iterable):
        kind = type(records).__name__
        raise DeclarationError(f"{asset.name}: its function returns {kind}; yield record batches")
    known: pa.Schema | None = None
    for batch in records:
        if batch.schema != known:
            asset.table.contract.require(dict(ibis.Schema.from_pyarrow(batch.schema).items()))
            known = batch.schema
        yield batch


def _staged(
    attempt: Attempt,
    manifest: Manifest,
    lineage: Lineage = MappingProxyType({}),
    export: StagedExport | None = None,
) -> Staged:
    records = attempt.records(manifest)
    profiles = profiles_in(manifest, attempt.asset.table, records)
    sums = {it.uri: Checksum(it.bytes, it.crc32) for it in manifest.files if it.crc32}
    return Staged(manifest, records, profiles, lineage, export, sums, origin=Origin.of(attempt))


def _requested(attempt: Attempt, computation: Computation) -> Computation:
    """Drop partitions nobody asked for, which a function that sees more than its own computes."""
    column = attempt.asset.table.partition_column
    sees_more = any(spec.partition_mapping for spec in attempt.asset.inputs)
    if column is None or not sees_more or not isinstance(computation, ir.Table):
        return computation
    return computation.filter(computation[column].cast("string").isin(attempt.request.keys))


def _require_few(asset: LakeAsset, keys: Sequence[str]) -> None:
    """Dagster cuts backfills to size, but runs a range that somebody tags a run with."""
    if len(keys) > asset.partitions_of_a_run:
        raise PipelineError(
            f"{asset.table} materialises at most {asset.partitions_of_a_run} partitions a run, "
            f"not {len(keys)}: start a backfill, which cuts them to size"
        )


def _require_settled(attempt: Attempt, manifest: Manifest) -> None:
    """A fixpoint that was cut short is no result; other computations have nothing to settle."""
    if manifest.facts.get("converged") is False:
        raise PipelineError(
            f"{attempt.asset.table} still changed after {manifest.facts['rounds']} rounds; "
            "allow more of them"
        )
