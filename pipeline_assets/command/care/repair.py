"""What `update --repair` has to materialise again because it is damaged."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.errors import PipelineError
from pipeline_assets.profiles.profiles import PROFILES, drop_profiles
from pipeline_assets.staleness.stale_partitions import IsForced, Stale

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session


@dataclass(frozen=True)
class Repair:
    """The damaged partitions of some assets.

    Attributes:
        partitions: Asset name and partition key of each.
        problems: One line for each damage that materialising cannot mend.
    """

    partitions: frozenset[tuple[str, str]] = frozenset()
    problems: tuple[str, ...] = ()

    def forced(self, others: IsForced) -> IsForced:
        """Materialise what is damaged, and whatever else somebody asked for."""
        return lambda asset, key: (asset.name, key) in self.partitions or others(asset, key)

    def hopeless(self, stale: Iterable[Stale]) -> Iterator[str]:
        """One line for each damaged partition that is not going to be materialised."""
        coming = {(item.asset.name, item.key) for item in stale}
        for name, key in sorted(self.partitions - coming):
            yield (
                f"{name}[{key}] is damaged, and what it was made from is gone, or its system is "
                "not set: `missing` names the setting"
            )


def find_damages(session: "Session", assets: Iterable[LakeAsset]) -> Repair:
    """Read everything that assets have published, and drop damaged statistics.

    Raises:
        PipelineError: The catalog or the storage cannot be read.
    """
    partitions: set[tuple[str, str]] = set()
    problems: list[str] = []
    verifier = session.deployment.verifier(deep=True)
    for asset, found in verifier.verify_all(assets):
        if isinstance(found, PipelineError):
            problems.append(f"{asset.name}: {found}")
            continue
        for damage in found.damages:
            partitions.update((asset.name, key) for key in damage.keys)
            if not damage.keys:
                problems.append(f"{asset.name}: {damage}")
    # Nothing computes statistics of a former publish again; those that are left stay usable.
    damaged = [damage.uri for damage in verifier.verify_table(PROFILES).damages]
    if damaged:
        drop_profiles(session.deployment.lake, damaged)
    return Repair(frozenset(partitions), tuple(problems))
