"""What is different in an environment: the partitions whose version is not that of production."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from pyiceberg.table import Table

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.environments.environments import Environment
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.iceberg.history import OWN, current_records, records_at
from pipeline_assets.iceberg.tables import Lake

PROMOTED_FROM = f"{OWN}environment"
"""In a snapshot's summary, the environment that it was promoted from."""


@dataclass(frozen=True)
class Change:
    """What an environment has changed of a table and production does not have.

    Attributes:
        asset: Of the table.
        records: Of the changed partitions; None for one that the environment has removed.
        before: Of the same partitions in production.
        is_moved: Whether production has published the table since it was cloned.
    """

    asset: LakeAsset
    records: Mapping[str, PartitionRecord | None]
    before: Mapping[str, PartitionRecord | None]
    is_moved: bool


def changes(
    production: Lake, lake: Lake, environment: Environment, assets: Iterable[LakeAsset]
) -> Iterator[Change]:
    """The tables that an environment has changed, upstream first.

    Args:
        production: The tables that it was cloned from.
        lake: Its own.
        environment: The environment.
        assets: All assets.

    Raises:
        PipelineError: A table cannot be read.
    """
    for asset in upstream_first(assets):
        with one_line_errors(f"read {asset.table}"):
            iceberg = production.load(asset.table)
            pinned = environment.pinned.get(str(asset.table))
            then = records_at(iceberg, pinned) if iceberg and pinned else {}
            now = current_records(iceberg) if iceberg else {}
            is_moved = has_moved(iceberg, pinned, environment.name)
        own = lake.records(asset.table)
        changed = [key for key in sorted({*then, *own}) if _differs(then.get(key), own.get(key))]
        keys = [key for key in changed if _differs(now.get(key), own.get(key))]
        if keys:
            records, before = ({key: it.get(key) for key in keys} for it in (own, now))
            yield Change(asset, records, before, is_moved)


def has_moved(iceberg: Table | None, pinned: int | None, name: str) -> bool:
    """Whether anybody but an environment has published a table since that was created.

    Args:
        iceberg: The table in production.
        pinned: The snapshot that the environment was cloned from.
        name: Of the environment.
    """
    snapshot = iceberg.current_snapshot() if iceberg else None
    while iceberg and snapshot and snapshot.snapshot_id != pinned:
        said = snapshot.summary.additional_properties if snapshot.summary else {}
        if said.get(PROMOTED_FROM) != name:
            return True
        parent = snapshot.parent_snapshot_id
        snapshot = iceberg.snapshot_by_id(parent) if parent else None
    return (snapshot.snapshot_id if snapshot else None) != pinned


def upstream_first(assets: Iterable[LakeAsset]) -> list[LakeAsset]:
    """Assets in the order of their dependencies."""
    named = {asset.name: asset for asset in assets}
    inputs = {name: [it.upstream for it in asset.inputs] for name, asset in named.items()}
    return [named[name] for name in TopologicalSorter(inputs).static_order() if name in named]


def _differs(one: PartitionRecord | None, other: PartitionRecord | None) -> bool:
    return (one and one.version) != (other and other.version)
