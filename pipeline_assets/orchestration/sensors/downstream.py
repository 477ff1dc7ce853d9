"""What is made from a landing source: who reads it, what is running, what has to be requested."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    AssetGraph,
)
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.dsn import address
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.cursor import Delivery
from pipeline_assets.staleness.outside_systems import OutsideVersions
from pipeline_assets.staleness.stale_partitions import GraphState, Stale, stale_partitions
from pipeline_assets.staleness.versions import digest

LANDING_TAG: Final = "pipeline/landing"
OBJECTS_TAG: Final = "pipeline/objects"
_RANGE: Final = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
_ACTIVE: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class DownstreamAssets:
    """The assets that are made from a landing source, partition by partition.

    Attributes:
        source: The landing source.
        assets: Those assets.
        with_upstream: They and everything they are made from.
        deployment: Their lake.
    """

    source: LandingSource
    assets: tuple[LakeAsset, ...]
    with_upstream: tuple[LakeAsset, ...]
    deployment: Deployment

    @classmethod
    def of(
        cls, source: LandingSource, assets: Sequence[LakeAsset], deployment: Deployment
    ) -> "DownstreamAssets":
        """Those among some assets."""
        chosen = _downstream(source, assets)
        return cls(source, chosen, _with_upstream(chosen, assets), deployment)

    @property
    def ingests(self) -> tuple[LakeAsset, ...]:
        """Those that read the objects themselves."""
        landing = self.source.key
        return tuple(it for it in self.assets if any(spec.key == landing for spec in it.inputs))

    def materialised_versions(self) -> Mapping[str, str]:
        """The version of the objects that each partition was made from, as far as all agree.

        Raises:
            PipelineError: The lake cannot be read.
        """
        versions = [
            {key: record.inputs.get(name, "") for key, record in records.items()}
            for name, records in self._ingested()
        ]
        first = versions[0] if versions else {}
        return {
            key: version
            for key, version in first.items()
            if all(each.get(key) == version for each in versions)
        }

    def busy(self, keys: Iterable[str], instance: dg.DagsterInstance) -> frozenset[str]:
        """Those of some partitions that runs in progress are making."""
        runs = instance.get_runs(dg.RunsFilter(statuses=_ACTIVE))
        ours = [run for run in runs if self._is_ours(run)]
        return frozenset(
            key for key in keys if any(self._covers(run, key, instance) for run in ours)
        )

    def requests(
        self, due: Sequence[Delivery], graph: AssetGraph, instance: dg.DagsterInstance
    ) -> Iterator[dg.RunRequest]:
        """A run for each delivery: what can be made from it at once, in one run.

        What needs another partition first, such as a model, follows by its automation condition.

        Raises:
            PipelineError: The lake cannot be read.
        """
        stale = self._stale(due, graph, instance)
        ingested = [records for _, records in self._ingested()]
        for delivery in due:
            chosen = [each for each in stale if each.key == delivery.key and each.stage == 0]
            if chosen:
                present = [records.get(delivery.key) for records in ingested]
                yield dg.RunRequest(
                    run_key=_run_key(self.source, delivery, present),
                    asset_selection=[each.asset.key for each in chosen],
                    partition_key=delivery.key,
                    tags={LANDING_TAG: self.source.name, OBJECTS_TAG: delivery.version},
                )

    def _stale(
        self, due: Sequence[Delivery], graph: AssetGraph, instance: dg.DagsterInstance
    ) -> list[Stale]:
        landed = {each.key: each.version for each in due}
        order = {key: place for place, key in enumerate(graph.toposorted_asset_keys)}
        assets = sorted(self.with_upstream, key=lambda asset: order[asset.key])
        records = {asset.name: self._records(asset, landed) for asset in assets}
        ours = {asset.name for asset in self.assets}
        found = stale_partitions(
            GraphState(
                assets=assets,
                code_versions={it.name: graph.get(it.key).code_version or "" for it in assets},
                records=records,
                landed={self.source.key.to_user_string(): landed},
                instance=instance,
                outside=self._offers(assets, records),
            )
        )
        return [each for each in found if each.asset.name in ours and each.key in landed]

    def _offers(
        self, assets: Sequence[LakeAsset], records: Mapping[str, Mapping[str, PartitionRecord]]
    ) -> OutsideVersions:
        """As if databases held what was read of them last: landing objects change only files."""
        versions: dict[str, Mapping[str, str]] = {}
        destinations: dict[str, str] = {}
        idle: dict[str, str] = {}
        for asset in (asset for asset in assets if asset.system):
            system = asset.system or ""
            database = self.deployment.databases[system]
            if database.dsn is None:
                idle[asset.name] = f"{database.setting} is not set"
            elif asset.source_versions is None:
                destinations[asset.name] = address(database.require())
            else:
                present = records[asset.name].items()
                versions[asset.name] = {key: it.inputs.get(system, "") for key, it in present}
        return OutsideVersions(versions, destinations, idle)

    def _records(self, asset: LakeAsset, keys: Collection[str]) -> Mapping[str, PartitionRecord]:
        """Of the partitions in question; of what is cut otherwise, all."""
        records = self.deployment.lake.records(asset.table)
        if asset.partitioning is not self.source.partitioning:
            return records
        return {key: records[key] for key in keys if key in records}

    def _ingested(self) -> Iterator[tuple[str, Mapping[str, PartitionRecord]]]:
        """Of each asset that reads the objects: the name they have there, and its partitions."""
        for asset in self.ingests:
            (name,) = (spec.name for spec in asset.inputs if spec.key == self.source.key)
            yield name, self.deployment.lake.records(asset.table)

    def _covers(self, run: dg.DagsterRun, key: str, instance: dg.DagsterInstance) -> bool:
        first, last = (run.tags.get(tag) for tag in _RANGE)
        if first is None or last is None:
            return run.tags.get(PARTITION_NAME_TAG) == key
        return self.source.partitioning.is_between(key, first, last, instance)

    def _is_ours(self, run: dg.DagsterRun) -> bool:
        return any(asset.key in (run.asset_selection or ()) for asset in self.assets)


def _downstream(source: LandingSource, assets: Sequence[LakeAsset]) -> tuple[LakeAsset, ...]:
    """What depends on a source and is cut as it is."""
    found = {source.key}
    alike = [asset for asset in assets if asset.partitioning is source.partitioning]
    while True:
        more = {it.key for it in alike if any(spec.key in found for spec in it.inputs)} - found
        if not more:
            return tuple(asset for asset in alike if asset.key in found)
        found |= more


def _with_upstream(
    chosen: Sequence[LakeAsset], assets: Sequence[LakeAsset]
) -> tuple[LakeAsset, ...]:
    found = {asset.key for asset in chosen}
    while True:
        needed = {spec.key for it in assets if it.key in found for spec in it.inputs}
        more = {asset.key for asset in assets if asset.key in needed} - found
        if not more:
            return tuple(asset for asset in assets if asset.key in found)
        found |= more


def _run_key(
    source: LandingSource, delivery: Delivery, present: Sequence[PartitionRecord | None]
) -> str:
    """One for these objects on top of what is published.

    Dagster never repeats a run key. With the objects alone in it, a file that is put back as it
    was before would not be made again.
    """
    published = digest([record and [record.version, record.published_at] for record in present])
    return f"{source.name}/{delivery.key}/{delivery.version}/{published}"
