"""Stale partitions divided into runs.

A run takes a partition of several assets, or a range of time windows, because starting a run costs
more than a small partition does. What fails in a range is found by dividing the range.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.orchestration.divided_ranges import range_tags
from pipeline_assets.staleness.stale_partitions import Stale

Partition: TypeAlias = tuple[dg.AssetKey, str]
"""An asset and the key of one of its partitions."""


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
        return ", ".join(asset.name + self.place for asset in self.assets)

    @property
    def place(self) -> str:
        """The partitions in brackets; empty for tables without partitions."""
        ends = "…".join(dict.fromkeys([*self.keys[:1], *self.keys[-1:]]))
        return f"[{ends}]" if ends else ""

    @property
    def range_tags(self) -> dict[str, str]:
        """The tags by which Dagster knows a range of partitions."""
        return range_tags(self.keys)

    def partitions(self, materialised: Collection[dg.AssetKey] = ()) -> "frozenset[Partition]":
        """Each partition of each asset, but for the assets that are materialised already."""
        left = [asset for asset in self.assets if asset.key not in materialised]
        return frozenset().union(*(self._of(asset.key) for asset in left))

    def _of(self, asset: dg.AssetKey) -> frozenset[Partition]:
        return frozenset((asset, key) for key in self.keys)

    def without(self, missing: Collection[Partition]) -> "Batch":
        """The same without assets that read, under the same keys, partitions that are missing.

        Of a range, some of whose partitions are there, nothing is left out: it is divided.
        """
        lost, kept = set(missing), []
        for asset in self.assets:
            aligned = [spec.key for spec in asset.inputs if spec.partition_mapping is None]
            if self.keys and any(lost.issuperset(self._of(key)) for key in aligned):
                lost |= self._of(asset.key)
            else:
                kept.append(asset)
        return replace(self, assets=tuple(kept))

    def halves(self, materialised: Collection[dg.AssetKey]) -> "tuple[Batch, Batch]":
        """What is left of a range, in two parts."""
        rest = tuple(asset for asset in self.assets if asset.key not in materialised)
        middle = len(self.keys) // 2
        whole = replace(self, assets=rest)
        return replace(whole, keys=self.keys[:middle]), replace(whole, keys=self.keys[middle:])


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
