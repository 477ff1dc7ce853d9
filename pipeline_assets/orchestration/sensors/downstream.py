"""The assets downstream of a landing source: what they hold, what runs, what to request.

A landing sensor asks three questions here. Which version of its objects does the lake record for
each partition? Which partitions does an unfinished run materialise? Which assets should the run of
a delivery select?
"""

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
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.processes import is_lost
from pipeline_assets.orchestration.sensors.cursor import Delivery
from pipeline_assets.staleness.outside_systems import OutsideVersions
from pipeline_assets.staleness.stale_partitions import GraphState, Stale, stale_partitions
from pipeline_assets.staleness.versions import digest
from pipeline_assets.staleness.withdrawals import withdrawal

LANDING_TAG: Final = "pipeline/landing"
OBJECTS_TAG: Final = "pipeline/objects"
_RANGE_TAGS: Final = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
_ACTIVE: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class DownstreamAssets:
    """The assets that depend on a landing source, partition by partition.

    Attributes:
        source: The landing source.
        assets: The assets downstream of it that share its partitions.
        with_upstream: Those assets and everything upstream of them.
        deployment: The deployment whose lake they are in.
    """

    source: LandingSource
    assets: tuple[LakeAsset, ...]
    with_upstream: tuple[LakeAsset, ...]
    deployment: Deployment

    @classmethod
    def of(
        cls, source: LandingSource, assets: Sequence[LakeAsset], deployment: Deployment
    ) -> "DownstreamAssets":
        """Find them among all assets."""
        alike = [asset for asset in assets if asset.partitioning is source.partitioning]
        found = {source.key}
        while more := {it.key for it in alike if found & _upstream(it)} - found:
            found |= more
        chosen = tuple(asset for asset in alike if asset.key in found)
        needed = set(found)
        while more := {key for it in assets if it.key in needed for key in _upstream(it)} - needed:
            needed |= more
        with_upstream = tuple(asset for asset in assets if asset.key in needed)
        return cls(source, chosen, with_upstream, deployment)

    @property
    def ingests(self) -> tuple[LakeAsset, ...]:
        """The assets that read the objects themselves."""
        return tuple(asset for asset in self.assets if self.source.key in _upstream(asset))

    def materialised_versions(self) -> Mapping[str, str]:
        """The version of the objects that each partition was materialised from.

        A partition on which the ingests disagree is left out: one of them has yet to follow.

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

    def withdrawn(self, deliveries: Iterable[Delivery]) -> frozenset[str]:
        """The partitions of which some objects have gone since they were materialised.

        Raises:
            PipelineError: The lake cannot be read.
        """
        present = {it.key: [item.uri for item in it.objects] for it in deliveries}
        if not present:
            return frozenset()
        found = (
            (key, withdrawal(records.get(key), uris))
            for _, records in self._ingested()
            for key, uris in present.items()
        )
        return frozenset(key for key, gone in found if gone and gone.is_partial)

    def in_progress(self, keys: Iterable[str], instance: dg.DagsterInstance) -> frozenset[str]:
        """Those of some partitions that an unfinished run materialises."""
        ours = {asset.key for asset in self.assets}
        runs = [
            record.dagster_run
            for record in instance.get_run_records(dg.RunsFilter(statuses=_ACTIVE))
            if ours & (record.dagster_run.asset_selection or set()) and not is_lost(record)
        ]
        return frozenset(
            key for key in keys if any(self._covers(run, key, instance) for run in runs)
        )

    def requests(
        self, due: Sequence[Delivery], graph: AssetGraph, instance: dg.DagsterInstance
    ) -> Iterator[dg.RunRequest]:
        """One run per delivery, with every asset that can be materialised from it at once.

        An asset that needs another partition first, such as a model, is left to its automation
        condition.

        Raises:
            PipelineError: The lake cannot be read.
        """
        stale = self._stale(due, graph, instance)
        ingested = [records for _, records in self._ingested()]
        for delivery in due:
            # Only stage 0: a later stage needs a partition of another key first.
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
                outside=self._outside_versions(assets, records),
            )
        )
        return [each for each in found if each.asset.name in ours and each.key in landed]

    def _outside_versions(
        self, assets: Sequence[LakeAsset], records: Mapping[str, Mapping[str, PartitionRecord]]
    ) -> OutsideVersions:
        """The versions of databases as they were read last.

        A delivery changes no database, so the sensor does not ask any.
        """
        versions: dict[str, Mapping[str, str]] = {}
        destinations: dict[str, str] = {}
        idle: dict[str, str] = {}
        for asset in (asset for asset in assets if asset.system):
            system = asset.system or ""
            outside = self.deployment.systems[system]
            if not outside.is_set:
                idle[asset.name] = f"{outside.setting} is not set"
            elif asset.source_versions is None:
                destinations[asset.name] = outside.address
            else:
                present = records[asset.name].items()
                versions[asset.name] = {key: it.inputs.get(system, "") for key, it in present}
        return OutsideVersions(versions, destinations, idle)

    def _records(self, asset: LakeAsset, keys: Collection[str]) -> Mapping[str, PartitionRecord]:
        """The records of the partitions in question; all records of other partitionings."""
        records = self.deployment.lake.records(asset.table)
        if asset.partitioning is not self.source.partitioning:
            return records
        return {key: records[key] for key in keys if key in records}

    def _ingested(self) -> Iterator[tuple[str, Mapping[str, PartitionRecord]]]:
        """For each ingest: the name of its landing input, and its published partitions."""
        for asset in self.ingests:
            (name,) = (spec.name for spec in asset.inputs if spec.key == self.source.key)
            yield name, self.deployment.lake.records(asset.table)

    def _covers(self, run: dg.DagsterRun, key: str, instance: dg.DagsterInstance) -> bool:
        first, last = (run.tags.get(tag) for tag in _RANGE_TAGS)
        if first is None or last is None:
            return run.tags.get(PARTITION_NAME_TAG) == key
        return self.source.partitioning.is_between(key, first, last, instance)


def _upstream(asset: LakeAsset) -> set[dg.AssetKey]:
    return {spec.key for spec in asset.inputs}


def _run_key(
    source: LandingSource, delivery: Delivery, present: Sequence[PartitionRecord | None]
) -> str:
    """A run key for these objects on top of what is published.

    Dagster never starts a second run with the same key. If the key held the objects alone, nobody
    would materialise a file again that the vendor has replaced and then put back as it was.
    """
    published = digest([record and [record.version, record.published_at] for record in present])
    return f"{source.name}/{delivery.key}/{delivery.version}/{published}"
