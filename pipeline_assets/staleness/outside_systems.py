"""What assets share with systems outside the lake, as versions that staleness compares.

Of a system that is read, the version of a partition is a fingerprint of what the system holds for
it; of one that is loaded into, it is the system's address. Both stand among a partition's inputs
under the system's name, so that what changes outside is noticed like any other change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.values.database import Database
from pipeline_assets.dataset.values.dsn import address
from pipeline_assets.errors import PipelineError

EMPTY: Final = "empty"
"""The version of a window that a system holds nothing of."""


@dataclass(frozen=True)
class OutsideVersions:
    """What systems outside the lake can fill, and where they are.

    Attributes:
        versions: Version by partition, of each asset that reads such a system.
        destinations: Address of the system, of each asset that loads into one.
        idle: Why nothing is expected of an asset: its system is not configured.
        problems: Systems that could not be asked, a line for each.
    """

    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    destinations: Mapping[str, str] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_outside_systems(
    assets: Iterable[LakeAsset], databases: Mapping[str, Database]
) -> OutsideVersions:
    """Ask every system that assets need; one that does not answer offers nothing."""
    versions: dict[str, Mapping[str, str]] = {}
    destinations: dict[str, str] = {}
    idle: dict[str, str] = {}
    problems: list[str] = []
    for asset in assets:
        database = databases[asset.system] if asset.system else None
        if database and database.dsn is None:
            idle[asset.name] = f"{database.setting} is not set"
        elif database and asset.source_versions:
            try:
                versions[asset.name] = available_versions(asset, database)
            except PipelineError as error:
                versions[asset.name] = {}
                problems.append(f"{asset.name}: {error}")
        elif database:
            destinations[asset.name] = address(database.require())
    return OutsideVersions(versions, destinations, idle, tuple(problems))


def available_versions(asset: LakeAsset, database: Database) -> dict[str, str]:
    """What a system can fill: every closed window from the first to the last with any data.

    A window before or after these is left as it is published: pointed at the wrong database, an
    update must not empty the lake.

    Args:
        asset: One that reads the system, cut into windows of time.
        database: The system.

    Returns:
        Version by partition key.

    Raises:
        PipelineError: The database cannot be reached or lacks what the asset reads.
    """
    found = _versions(asset, database, None)
    cut = asset.partitioning
    if not found or cut is None:
        return {}
    return _by_key(cut, sorted(cut.closed_keys(min(found), max(found))), found)


def outside_versions(
    asset: LakeAsset, databases: Mapping[str, Database], keys: Sequence[str]
) -> dict[str, str]:
    """Version of an asset's outside system by partition key; empty if it has none.

    Ask before reading: what comes in between is then noticed by the next update, not lost.

    Raises:
        PipelineError: The system is not configured, or cannot be asked.
    """
    if asset.system is None:
        return {}
    database = databases[asset.system]
    if asset.export:
        return dict.fromkeys(keys, address(database.require()))
    cut = asset.partitioning
    windows = cut.windows(keys) if cut else {}
    if cut is None or not windows:
        return {}
    span = min(start for start, _ in windows.values()), max(end for _, end in windows.values())
    return _by_key(cut, keys, _versions(asset, database, span))


def _versions(
    asset: LakeAsset, database: Database, within: tuple[datetime, datetime] | None
) -> Mapping[datetime, str]:
    length = asset.partitioning.window_length if asset.partitioning else None
    if asset.source_versions is None or length is None:
        return {}
    return asset.source_versions(database.require(), length, within)


def _by_key(
    cut: Partitioning, keys: Sequence[str], found: Mapping[datetime, str]
) -> dict[str, str]:
    windows = cut.windows(keys)
    return {key: found.get(windows[key][0], EMPTY) for key in keys}
