"""The only doors between Dagster and storage: lazy inputs in, one commit out."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import dagster as dg
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.inputs import (
    ABSENT,
    ALIGNED,
    OPTIONAL,
    READ_AS,
    Input,
    InputSpec,
    Landed,
    LandedInput,
    LazyTable,
    stored,
    unbound,
)
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject, fingerprint
from pipeline_assets.dataset.values.progress import Progress
from pipeline_assets.dataset.values.table import LakeTable, TableState
from pipeline_assets.dataset.values.texts import first_and_last
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.checksums import folder_of
from pipeline_assets.landing.zone import LandingZone
from pipeline_assets.profiles.profiles import append_profiles
from pipeline_assets.publish.failures import dagster_failures
from pipeline_assets.publish.metadata import publish_metadata
from pipeline_assets.publish.publication import UNOBSERVED, Publication, Publications
from pipeline_assets.publish.staging import AlreadyPublished, Staged
from spark_resources.job import CatalogTable, Source, SourceFile

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline_assets.iceberg.tables import Lake


WITHDRAW_TAG: Final = "pipeline/withdraw"
"""Tag of a run that follows a vendor who has withdrawn all or some objects of its partitions."""


@dataclass(frozen=True)
class LakeIOManager(dg.IOManager):
    """Loads tables lazily and publishes staged partitions.

    Attributes:
        lake: The published tables.
        tables: Lake table by asset key (``domain/name``).
        progress: Told of every publish.
        store: Where the lake's files lie; whoever stages writes there.
        publications: Told of every publish in full.
    """

    lake: "Lake"
    tables: Mapping[str, LakeTable]
    progress: Progress
    store: ObjectStore
    publications: Publications = field(default=UNOBSERVED, kw_only=True)

    @dagster_failures()
    def load_input(self, context: dg.InputContext) -> LazyTable:
        """The table of exactly the partitions that feed this step, as of now."""
        table = self.tables[context.asset_key.to_user_string()]
        keys = tuple(context.asset_partition_keys) if context.has_asset_partitions else None
        metadata = context.definition_metadata
        is_optional = bool(metadata.get(OPTIONAL))
        spec = InputSpec(
            context.name,
            context.asset_key,
            metadata.get(READ_AS, "table"),
            optional=is_optional,
        )
        loaded = lazy_table(self.lake, spec, table, keys)
        if keys is not None and metadata.get(ALIGNED) and _has_partitions(context):
            _require(table, keys, loaded.versions)
        return loaded

    @dagster_failures()
    def handle_output(self, context: dg.OutputContext, staged: Staged | AlreadyPublished) -> None:
        """Publish: commit what was exported, then the table.

        In this order, because a table that is ahead of its destination would look up to date.
        Profiles come first: a profile whose publish fails is never looked at, but a partition
        without a profile could not be compared with those after it.
        """
        table = self.tables[context.asset_key.to_user_string()]
        if isinstance(staged, AlreadyPublished):
            rows = sum(it.rows for it in staged.records.values())
            self.progress.published(_placed(table, staged.records), rows)
            return
        with staged.discarded_on_failure():
            append_profiles(self.lake, table, staged.profiles, context.run_id)
            if staged.export:
                staged.export.commit()
            files = [file.uri for file in staged.manifest.files]
            records = {**staged.records, **dict.fromkeys(staged.outdated)}
            snapshot = self.lake.publish(table, files, records, staged.checksums)
        context.add_output_metadata(publish_metadata(table, self.lake, staged, snapshot))
        # The table of an export lists objects; what left the lake are the rows in them.
        exported = staged.export.listing["rows"].to_pylist() if staged.export else None
        rows = staged.manifest.rows if exported is None else sum(exported)
        self.progress.published(_placed(table, staged.records), rows)
        self.publications.published(_publication(context, table, staged, snapshot))


def _publication(
    context: dg.OutputContext, table: LakeTable, staged: Staged, snapshot: int
) -> Publication:
    manifest = staged.manifest
    return Publication(
        asset=context.asset_key.to_user_string(),
        table=table,
        run_id=context.run_id,
        job_name=context.job_name,
        published_at=datetime.now(UTC),
        keys=tuple(filter(None, staged.records)),
        snapshot_id=snapshot,
        origin=staged.origin,
        lineage=staged.lineage,
        checks=manifest.audits,
        rows=manifest.rows,
        bytes=manifest.bytes,
        files=len(manifest.files),
        facts=manifest.facts,
    )


def lazy_table(
    lake: "Lake", spec: InputSpec, table: LakeTable, keys: tuple[str, ...] | None
) -> LazyTable:
    """Some partitions of a table, or all of them, as they are published now; no row is read.

    Args:
        lake: Where it is published.
        spec: How it is read, and by which name.
        table: The table.
        keys: The partitions; None for all.
    """
    state = lake.read(table, keys)
    rows, lines = stored(spec, table), unbound(spec, table)
    sources = {rows.get_name(): _parquet(state, rows, table, keys, lake.access.identifier(table))}
    if spec.is_text:
        home = lake.location(table)
        attempts = {folder_of(home, uri) for uri in state.files}
        sources[lines.get_name()] = _text(lake.rows(table, state), lines, home, attempts)
    absent = dict.fromkeys(keys or (), ABSENT) if spec.optional else {}
    versions = absent | {key: record.version for key, record in state.records.items()}
    return LazyTable(lines, sources, versions, rows)


def with_own(lake: "Lake", asset: LakeAsset, inputs: Mapping[str, Input]) -> Mapping[str, Input]:
    """The inputs of an asset, and what is published of it where its function looks at that."""
    if asset.own is None:
        return inputs
    return {**inputs, asset.own.name: lazy_table(lake, asset.own, asset.table, None)}


@dataclass(frozen=True)
class LandingIOManager(dg.IOManager):
    """Hands out landed objects; vendors, not we, put them there."""

    zone: LandingZone
    sources: Mapping[str, LandingSource]

    @dagster_failures()
    def load_input(self, context: dg.InputContext) -> LandedInput:
        """The objects of the partitions that feed this step, as they lie there now."""
        source = self.sources[context.asset_key.to_user_string()]
        # A run that only audits what is published asks for no partition.
        keys = list(context.asset_partition_keys) if _has_partitions(context) else []
        objects = self._delivered(source, keys)
        missing = [key for key, items in objects.items() if not items]
        if missing and not _withdraws(context):
            raise PipelineError(
                f"Nothing has landed for {source.partitioning.column} {first_and_last(missing)}: "
                f"expected {self.zone.uri}/{source.shape}"
            )
        versions = {key: fingerprint(items) for key, items in objects.items()}
        return LandedInput(Landed(objects, self.zone.store), versions)

    def _delivered(
        self, source: LandingSource, keys: Sequence[str]
    ) -> Mapping[str, tuple[StoredObject, ...]]:
        """The objects of partitions; while a window of time is open it has none yet."""
        closed = [key for key in keys if not source.partitioning.is_open(key)]
        return {**dict.fromkeys(keys, ()), **self.zone.deliveries(source, closed)}

    def handle_output(self, context: dg.OutputContext, _obj: object) -> None:
        """Never called: landing assets are external."""
        raise PipelineError(f"{context.asset_key.to_user_string()} is delivered, not computed")


def _withdraws(context: dg.InputContext) -> bool:
    """Whether the run was started to empty partitions of which nothing lies there any more."""
    return WITHDRAW_TAG in context.step_context.run_tags


def _has_partitions(context: dg.InputContext) -> bool:
    """Whether the run is one for partitions; to Dagster, any other one reads all there are."""
    step = context.step_context
    return step.has_partition_key or step.has_partition_key_range


def _placed(table: LakeTable, keys: Iterable[str]) -> str:
    """A table and those of its partitions, such as ``taobao.impressions[train, test]``."""
    named = first_and_last(sorted(filter(None, keys)))
    return f"{table}[{named}]" if named else str(table)


def _require(table: LakeTable, keys: tuple[str, ...], published: Collection[str]) -> None:
    missing = [key for key in keys if key not in published]
    if missing:
        raise PipelineError(
            f"{table} has no published partition {first_and_last(missing)}; materialise it first"
        )


def _parquet(
    state: TableState,
    rows: ir.Table,
    table: LakeTable,
    keys: tuple[str, ...] | None,
    identifier: str,
) -> Source:
    files = tuple(SourceFile(uri) for uri in state.files)
    former = dict(_names_in_files(state, table))
    known = CatalogTable(
        name=identifier,
        columns=dict(_names_in_table(state, table)),
        partition_column=table.partition_column,
        partitions=None if keys is None else tuple(sorted(state.records)),
    )
    return Source("parquet", schema_names(rows.schema()), files, state.snapshot_id, former, known)


def _names_in_table(state: TableState, table: LakeTable) -> Iterator[tuple[str, str]]:
    """The column that the catalog has for each of the contract, be it renamed since or not."""
    for column in table.contract.columns:
        names = [it for it in (column.name, *column.renamed_from) if it in state.columns]
        if names:
            yield column.name, names[0]


def _names_in_files(state: TableState, table: LakeTable) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Other names under which files hold a column, be it renamed since the last publish."""
    for column in table.contract.columns:
        is_published = column.name in state.columns
        before = [name for name in column.renamed_from if name in state.columns]
        names = [it for name in before for it in (name, *state.former.get(name, ()))]
        if found := state.former.get(column.name, ()) if is_published else tuple(names):
            yield column.name, found


def _text(parts: "pa.Table", lines: ir.Table, home: str, attempts: Collection[str]) -> Source:
    order = [("source_uri", "ascending"), ("member", "ascending"), ("part", "ascending")]
    schema = schema_names(lines.schema())
    constants = [name for name in schema if name not in {"line", "line_number"}]
    files = tuple(
        SourceFile(
            uri=_beside(home, attempts, part["part_uri"]),
            constants={name: str(part[name]) for name in constants},
            first_line=part["first_line"],
        )
        for part in parts.sort_by(order).to_pylist()
    )
    return Source("lines", schema, files)


def _beside(home: str, attempts: Collection[str], uri: str) -> str:
    """Where a raw part lies now: beside the Parquet file of its attempt.

    A row names it where it was written, before a lake was moved or an environment was promoted.
    """
    namespace, name = home.split("/")[-2:]
    _, is_ours, path = uri.rpartition(f"/{namespace}/{name}/data/")
    attempt, _, rest = path.partition("/")
    folders = [it for it in attempts if it.endswith(f"/data/{attempt}")]
    return f"{folders[0]}/{rest}" if is_ours and folders else uri
