"""Brings the lake up to date: finds stale partitions and materialises them through Dagster.

This is what `pipeline-assets update` does, with or without a running daemon. It finds what is stale
by comparing versions, never dates, and records its runs in the instance that the UI shows.
"""

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import fingerprint
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.landing.zone import Listing
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.contract_check import CONTRACT
from pipeline_assets.publish.failures import root_message
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

PROCESS_TAG: Final = "pipeline/process"
_KEEP_RECORDS: Final = "read or write Dagster's records"
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_LIVE: Final = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]


@dataclass(frozen=True)
class Batch:
    """Assets, and contiguous partitions of them, that one run materialises.

    Attributes:
        assets: The assets, in dependency order.
        keys: Their partition keys, first to last; empty for tables without partitions.
    """

    assets: tuple[LakeAsset, ...]
    keys: tuple[str, ...]

    def __str__(self) -> str:
        ends = "…".join(dict.fromkeys([*self.keys[:1], *self.keys[-1:]]))
        return ", ".join(f"{asset.name}[{ends}]" if ends else asset.name for asset in self.assets)


@dataclass(frozen=True)
class Outcome:
    """How a batch ended: the run's id and one line for each asset that failed."""

    batch: Batch
    run_id: str
    failures: tuple[str, ...]


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

    def listings(self) -> dict[str, Listing]:
        """List what has landed, by landing asset.

        Raises:
            PipelineError: The landing zone cannot be reached.
        """
        zone = self.deployment.landing
        return {source.key.to_user_string(): zone.list(source) for source in self.sources}

    def outside(self) -> OutsideVersions:
        """Ask the databases for their versions; one that does not answer becomes a problem."""
        return read_outside_systems(self.assets, self.deployment.databases)

    @one_line_errors(_KEEP_RECORDS)
    def register(self, listings: Mapping[str, Listing]) -> None:
        """Tell Dagster of new partition keys and of new or overwritten objects.

        Raises:
            PipelineError: Dagster's storage cannot be read or written, as on a disk that is full.
        """
        for source in self.sources:
            partitions = listings[source.key.to_user_string()].partitions
            definition = source.partitioning.definition
            if isinstance(definition, dg.DynamicPartitionsDefinition) and definition.name:
                self.instance.add_dynamic_partitions(definition.name, sorted(partitions))
            for key, objects in partitions.items():
                event = source.unreported(key, objects, self.instance)
                if event:
                    self.instance.report_runless_asset_event(event)

    @one_line_errors(_KEEP_RECORDS)
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
        order = {key: place for place, key in enumerate(graph.toposorted_asset_keys)}
        assets = sorted(self.assets, key=lambda asset: order[asset.key])
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

    def run(self, batches: Iterable[Batch]) -> Iterator[Outcome]:
        """Materialise batches, one after the other; in a batch nothing runs after a failed asset.

        Raises:
            PipelineError: Dagster's storage cannot be read or written, as on a disk that is full.
        """
        job = self.definitions.resolve_implicit_global_asset_job_def()
        yield from (self._outcome(job, batch) for batch in batches)

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

    @one_line_errors(_KEEP_RECORDS)
    def audit(self, asset: LakeAsset) -> list[dg.AssetCheckEvaluation]:
        """Audit what is published of an asset, in a run that computes nothing.

        Raises:
            PipelineError: The lake or an engine failed.
        """
        job = self.definitions.resolve_implicit_global_asset_job_def()
        names = (CONTRACT, *(check.name for check in asset.checks))
        chosen = {dg.AssetCheckKey(asset.key, name) for name in names}
        audit = job.get_subset(asset_selection=set(), asset_check_selection=chosen)
        run = audit.execute_in_process(
            instance=self.instance, run_config=_QUIET, raise_on_error=False, tags=self._tags
        )
        found = list(run.get_asset_check_evaluations())
        # A broken promise fails the run, too, after every check has been evaluated.
        for failure in _failures(run) if len(found) < len(chosen) else ():
            raise PipelineError(failure)
        return found

    @one_line_errors(_KEEP_RECORDS)
    def fail_abandoned_runs(self) -> list[str]:
        """Fail runs whose process on this machine is gone, and return their ids."""
        running = self.instance.get_runs(dg.RunsFilter(statuses=_LIVE))
        dead = [run for run in running if _is_dead(run.tags.get(PROCESS_TAG, ""))]
        for run in dead:
            self.instance.report_run_failed(run, "The process that executed this run is gone.")
        return [run.run_id for run in dead]

    @property
    def _tags(self) -> dict[str, str]:
        process = {PROCESS_TAG: f"{socket.gethostname()}/{os.getpid()}"}
        return process if self.keeps_overrides else {**process, DECLARED_TAG: "true"}

    @one_line_errors(_KEEP_RECORDS)
    def _outcome(self, job: dg.JobDefinition, batch: Batch) -> Outcome:
        result = job.execute_in_process(
            instance=self.instance,
            asset_selection=[asset.key for asset in batch.assets],
            run_config=_QUIET,
            raise_on_error=False,
            tags={**self._tags, **_range_tags(batch)},
            partition_key=batch.keys[0] if len(batch.keys) == 1 else None,
        )
        return Outcome(batch, result.run_id, tuple(_failures(result)))


def batches(stale: Sequence[Stale]) -> list[Batch]:
    """Divide stale partitions into runs: one per partition, or per range of time windows."""
    found: list[Batch] = []
    for stage in sorted({item.stage for item in stale}):
        by_key: dict[tuple[str, str], list[LakeAsset]] = {}
        for item in (item for item in stale if item.stage == stage):
            by_key.setdefault((item.asset.table.partition_column or "", item.key), []).append(
                item.asset
            )
        found += _merge_ranges(
            Batch(tuple(assets), (key,) if key else ()) for (_, key), assets in by_key.items()
        )
    return found


def _merge_ranges(single: Iterable[Batch]) -> Iterator[Batch]:
    """Join consecutive time windows of the same assets, up to the number that each allows."""
    pending: Batch | None = None
    for batch in sorted(single, key=lambda batch: ([a.name for a in batch.assets], batch.keys)):
        if pending and _continues(pending, batch):
            pending = Batch(pending.assets, pending.keys + batch.keys)
        else:
            if pending:
                yield pending
            pending = batch
    if pending:
        yield pending


def _continues(before: Batch, after: Batch) -> bool:
    partitioning = after.assets[0].partitioning
    if before.assets != after.assets or partitioning is None:
        return False
    windows = partitioning.windows([before.keys[-1], after.keys[0]])
    if not windows:
        return False
    limits = [asset.partitions_of_a_run for asset in after.assets]
    is_next = windows[before.keys[-1]][1] == windows[after.keys[0]][0]
    return is_next and len(before.keys) < min(limits)


def _range_tags(batch: Batch) -> dict[str, str]:
    if len(batch.keys) < 2:
        return {}
    return {
        ASSET_PARTITION_RANGE_START_TAG: batch.keys[0],
        ASSET_PARTITION_RANGE_END_TAG: batch.keys[-1],
    }


def _failures(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            yield f"{str(event.step_key).replace('__', '/')}: {root_message(error)}"


def _is_dead(process: str) -> bool:
    host, _, pid = process.partition("/")
    if host != socket.gethostname():
        return False
    try:
        # Signal 0 reaches nobody and only asks whether the process exists.
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False
