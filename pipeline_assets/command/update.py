"""Brings the lake up to date: finds stale partitions and materialises them through Dagster.

This is what `pipeline-assets update` does, with or without a running daemon. It finds what is stale
by comparing versions, never dates, and records its runs in the instance that the UI shows.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import dagster as dg

from pipeline_assets.command.batches import Batch
from pipeline_assets.command.runs import KEEP_RECORDS, Outcome, Runs
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import fingerprint
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.landing.zone import LandingZone, Listing
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.jobs import update_job_name
from pipeline_assets.orchestration.processes import is_lost
from pipeline_assets.publish.checks.delivery import ACCEPT_TAG
from pipeline_assets.publish.io_managers import WITHDRAW_TAG
from pipeline_assets.publish.run_config import DECLARED_TAG
from pipeline_assets.staleness.audits import has_passed_other_checks
from pipeline_assets.staleness.outside_systems import OutsideVersions, read_outside_systems
from pipeline_assets.staleness.stale_partitions import (
    GraphState,
    IsForced,
    Stale,
    nothing_forced,
    stale_partitions,
)
from pipeline_assets.staleness.withdrawals import Withdrawals, withdrawals

_UNFINISHED: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dataclass(frozen=True)
class Updater:
    """Updates one lake.

    Attributes:
        definitions: The code location.
        assets: Its lake assets.
        sources: Its landing sources.
        deployment: Storage and catalog.
        instance: Where runs are recorded, and where the UI reads them.
        keeps_overrides: Whether the config that runs have asked for stays in force.
    """

    definitions: dg.Definitions
    assets: Sequence[LakeAsset]
    sources: Sequence[LandingSource]
    deployment: Deployment
    instance: dg.DagsterInstance
    keeps_overrides: bool = True

    def in_order(self) -> list[LakeAsset]:
        """The assets in the order of their dependencies."""
        keys = self.definitions.resolve_asset_graph().toposorted_asset_keys
        order = {key: place for place, key in enumerate(keys)}
        return sorted(self.assets, key=lambda asset: order[asset.key])

    def listings(self) -> dict[str, Listing]:
        """List what has landed, by landing asset; a source that cannot be listed is a problem.

        Raises:
            PipelineError: The landing zone cannot be reached.
        """
        zone = self.deployment.landing
        zone.store.require(zone.uri)
        return {source.key.to_user_string(): _listing(zone, source) for source in self.sources}

    def outside(self, *, withdraws: bool = False) -> OutsideVersions:
        """Ask the systems outside for their versions; one that does not answer becomes a problem.

        Args:
            withdraws: Whether somebody knows that a database has lost most of what is published.

        Raises:
            PipelineError: The lake cannot be read.
        """
        lake = self.deployment.lake
        return read_outside_systems(
            self.assets,
            self.deployment.systems,
            lambda asset: lake.records(asset.table),
            withdraws=withdraws,
        )

    def withdrawn(self, listings: Mapping[str, Listing]) -> Withdrawals:
        """Partitions that are published although some or all of their landing objects have gone.

        Raises:
            PipelineError: The lake cannot be read.
        """
        lake = self.deployment.lake
        return withdrawals(self.assets, listings, lambda asset: lake.records(asset.table))

    @one_line_errors(KEEP_RECORDS)
    def register(self, listings: Mapping[str, Listing]) -> None:
        """Tell Dagster of new partition keys and of new or overwritten objects.

        Raises:
            PipelineError: Dagster's storage cannot be read or written, as on a disk that is full.
        """
        for source in self.sources:
            partitions = listings[source.key.to_user_string()].partitions
            definition = source.partitioning.definition
            if isinstance(definition, dg.DynamicPartitionsDefinition) and definition.name:
                add_keys(self.instance, definition.name, partitions)
            for event in source.unreported(partitions, self.instance):
                self.instance.report_runless_asset_event(event)

    @one_line_errors(KEEP_RECORDS)
    def stale(
        self,
        listings: Mapping[str, Listing],
        outside: OutsideVersions | None = None,
        is_forced: IsForced = nothing_forced,
    ) -> list[Stale]:
        """Find what has to be materialised, in dependency order.

        Args:
            listings: What has landed.
            outside: The databases' versions; they are asked for them if it is not given.
            is_forced: Which partitions to materialise even if nothing about them has changed.

        Raises:
            PipelineError: The lake or Dagster's storage cannot be read.
        """
        outside = outside or self.outside()
        lake = self.deployment.lake
        graph = self.definitions.resolve_asset_graph()
        assets = self.in_order()
        # With an old catalog, everything published since it was saved would look stale.
        lake.require_newest(asset.table for asset in assets)
        return stale_partitions(
            GraphState(
                assets=assets,
                code_versions={
                    asset.name: graph.get(asset.key).code_version or "" for asset in assets
                },
                records={asset.name: lake.records(asset.table) for asset in assets},
                landed={
                    name: {key: fingerprint(found) for key, found in listing.partitions.items()}
                    for name, listing in listings.items()
                },
                instance=self.instance,
                outside=outside,
                is_forced=is_forced,
                keeps_overrides=self.keeps_overrides,
            )
        )

    def run(
        self, batches: Iterable[Batch], *, accepts: bool = False, withdraws: bool = False
    ) -> Iterator[Outcome]:
        """Materialise batches; see :meth:`pipeline_assets.command.runs.Runs.outcomes`.

        Args:
            batches: What to materialise.
            accepts: Whether deliveries that would be refused are accepted.
            withdraws: Whether partitions follow a vendor who has withdrawn some or all objects.
        """
        asked = {ACCEPT_TAG: accepts, WITHDRAW_TAG: withdraws}
        tags = {tag: "true" for tag, is_asked in asked.items() if is_asked}
        return replace(self.runs, tags={**self.runs.tags, **tags}).outcomes(batches)

    @property
    def runs(self) -> Runs:
        """What executes batches in this process."""
        tags = {} if self.keeps_overrides else {DECLARED_TAG: "true"}
        return Runs(self._job, self.instance, tags)

    def _job(self, batch: Batch) -> dg.JobDefinition:
        column = batch.assets[0].table.partition_column
        return self.definitions.resolve_job_def(update_job_name(column))

    def unaudited(self) -> list[LakeAsset]:
        """The assets whose published partitions have passed other checks than today's.

        Raises:
            PipelineError: The lake cannot be read.
        """
        tables = {asset.name: asset.table for asset in self.assets}
        lake = self.deployment.lake
        return [
            asset
            for asset in self.assets
            if has_passed_other_checks(asset, lake.records(asset.table), tables)
        ]

    def audit(self, asset: LakeAsset) -> Sequence[dg.AssetCheckEvaluation]:
        """Audit what is published of an asset; see :meth:`pipeline_assets.command.runs.Runs`."""
        return self.runs.audit(asset, self.definitions.resolve_implicit_global_asset_job_def())

    @one_line_errors(KEEP_RECORDS)
    def fail_abandoned_runs(self) -> list[str]:
        """Fail runs of updates whose process is gone, and return their ids."""
        running = self.instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED))
        dead = [record.dagster_run for record in running if is_lost(record)]
        for run in dead:
            self.instance.report_run_failed(run, "The process that executed this run is gone.")
        return [run.run_id for run in dead]


def add_keys(instance: dg.DagsterInstance, name: str, keys: Collection[str]) -> None:
    """Add those partition keys that Dagster does not know yet.

    Dagster looks which of them it knows and then adds the others. Where another process adds one
    in between, its database refuses ours, which are added at the next try.
    """
    from sqlalchemy.exc import IntegrityError

    for is_last in (False, False, True):
        missing = sorted(set(keys) - set(instance.get_dynamic_partitions(name)))
        try:
            if missing:
                instance.add_dynamic_partitions(name, missing)
            return
        except IntegrityError:
            if is_last:
                raise


def _listing(zone: LandingZone, source: LandingSource) -> Listing:
    try:
        return zone.list(source)
    except PipelineError as error:
        return Listing({}, (f"landing/{source.name}: {error}",), is_whole=False)
