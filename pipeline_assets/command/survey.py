"""What is published, what has landed and what lies outside: what `missing` and `update` go by.

Nothing is materialised here, and nothing written. So neither Dagster's definitions are built nor,
unless somebody asks for dynamic partitions, Dagster's storage is opened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from pipeline_assets.dagster_internals import DynamicPartitionsStore
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import fingerprint
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.landing.zone import LandingZone, Listing
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.told import KEEP_RECORDS
from pipeline_assets.staleness.audits import audit_version, has_passed_other_checks
from pipeline_assets.staleness.outside_systems import OutsideVersions, read_outside_systems
from pipeline_assets.staleness.remembered import UNKNOWN, Versions
from pipeline_assets.staleness.stale_partitions import (
    GraphState,
    IsForced,
    Stale,
    nothing_forced,
    stale_partitions,
)
from pipeline_assets.staleness.versions import code_version
from pipeline_assets.staleness.withdrawals import Withdrawals, withdrawals

if TYPE_CHECKING:
    from pipeline_assets.iceberg.moment import Moment
    from pipeline_assets.iceberg.tables import Lake


@dataclass(frozen=True)
class Survey:
    """Finds what is stale in one lake.

    Attributes:
        assets: Its lake assets.
        sources: Its landing sources.
        deployment: Storage and catalog.
        instance: Knows the dynamic partitions.
        keeps_overrides: Whether the config that runs have asked for stays in force.
        moment: What is loaded of the lake; by default it is asked anew for each answer.
        versions: Those that are known of the assets; the others are computed when they are needed.
    """

    assets: Sequence[LakeAsset]
    sources: Sequence[LandingSource]
    deployment: Deployment
    instance: DynamicPartitionsStore
    keeps_overrides: bool = True
    moment: "Moment | None" = None
    versions: Versions = UNKNOWN

    @property
    def lake(self) -> "Lake":
        """The published tables."""
        return self.moment or self.deployment.lake

    @property
    def tables(self) -> Mapping[str, LakeTable]:
        """The tables of the assets by asset key (``domain/name``)."""
        return {asset.name: asset.table for asset in self.assets}

    def in_order(self) -> list[LakeAsset]:
        """The assets in the order of their dependencies, and of their keys where that is free."""
        known = {asset.name: asset for asset in self.assets}
        graph: TopologicalSorter[str] = TopologicalSorter()
        for asset in self.assets:
            graph.add(asset.name, *(spec.upstream for spec in asset.inputs))
        graph.prepare()
        found: list[LakeAsset] = []
        while names := graph.get_ready():
            ready = [known[name] for name in names if name in known]
            found += sorted(ready, key=lambda asset: list(asset.key.path))
            graph.done(*names)
        return found

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
        return read_outside_systems(
            self.assets,
            self.deployment.systems,
            lambda asset: self.lake.records(asset.table),
            withdraws=withdraws,
        )

    def withdrawn(self, listings: Mapping[str, Listing]) -> Withdrawals:
        """Partitions that are published although some or all of their landing objects have gone.

        Raises:
            PipelineError: The lake cannot be read.
        """
        return withdrawals(self.assets, listings, lambda asset: self.lake.records(asset.table))

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
            DeclarationError: An asset's expression is not what its contract promises.
            PipelineError: The lake or Dagster's storage cannot be read.
        """
        outside = outside or self.outside()
        lake, assets, tables = self.lake, self.in_order(), self.tables
        # With an old catalog, everything published since it was saved would look stale.
        lake.require_newest(asset.table for asset in assets)
        return stale_partitions(
            GraphState(
                assets=assets,
                code_versions={asset.name: self._code_version(asset, tables) for asset in assets},
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

    def unaudited(self) -> list[LakeAsset]:
        """The assets whose published partitions have passed other checks than today's.

        Raises:
            PipelineError: The lake cannot be read.
        """
        tables = self.tables
        return [
            asset
            for asset in self.assets
            if (records := self.lake.records(asset.table))
            and has_passed_other_checks(records, self._audit_version(asset, tables))
        ]

    def _code_version(self, asset: LakeAsset, tables: Mapping[str, LakeTable]) -> str:
        known = self.versions.code
        return known[asset.name] if asset.name in known else code_version(asset, tables)

    def _audit_version(self, asset: LakeAsset, tables: Mapping[str, LakeTable]) -> str:
        known = self.versions.audit
        return known[asset.name] if asset.name in known else audit_version(asset, tables)


def _listing(zone: LandingZone, source: LandingSource) -> Listing:
    try:
        return zone.list(source)
    except PipelineError as error:
        return Listing({}, (f"landing/{source.name}: {error}",), is_whole=False)
