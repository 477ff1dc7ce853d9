"""Versions of systems outside the lake, so that staleness notices their changes.

Where an asset reads windows of a system, the version of a partition is a fingerprint of what the
system holds for it. Where an asset only needs a system, or loads into it, the version is the
system's address. A partition's record lists the version among its inputs under the system's name,
and so a change outside the lake makes the partition stale like any other changed input.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.options import NOWHERE, WindowVersion
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.values.database import OutsideSystem
from pipeline_assets.dataset.values.table import WHOLE_TABLE, PartitionRecord
from pipeline_assets.errors import PipelineError

FEW_WINDOWS: Final = 2
"""So many windows may lose most of what is published before the system is doubted."""
EMPTY: Final = "empty"
"""The version of a window for which a system holds no rows."""


@dataclass(frozen=True)
class OutsideVersions:
    """The versions of the outside systems of all assets.

    Attributes:
        versions: For each asset that reads a system, the version by partition key.
        destinations: For each other asset that needs a system, the system's address.
        idle: For each asset whose system is not configured, which setting is missing.
        problems: One line for each system that did not answer.
        notes: One line for each asset whose system holds rows before the first window.
    """

    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    destinations: Mapping[str, str] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_outside_systems(
    assets: Iterable[LakeAsset],
    systems: Mapping[str, OutsideSystem],
    published: Callable[[LakeAsset], Mapping[str, PartitionRecord]],
    *,
    withdraws: bool = False,
) -> OutsideVersions:
    """Ask every system that assets need; one that does not answer makes no partition stale.

    Args:
        assets: The assets.
        systems: The systems by name.
        published: The records of an asset's partitions.
        withdraws: Whether somebody knows that a system has lost most of what is published.
    """
    versions: dict[str, Mapping[str, str]] = {}
    destinations: dict[str, str] = {}
    idle: dict[str, str] = {}
    problems: list[str] = []
    notes: list[str] = []
    answers: dict[object, Mapping[datetime, WindowVersion]] = {}
    for asset in assets:
        system = systems[asset.system] if asset.system else None
        if system and not system.is_set:
            idle[asset.name] = f"{system.setting} is not set"
        elif system and asset.source_versions:
            try:
                # Assets that read the same rows share one answer, and one note about it.
                question = (asset.source_versions, asset.system, asset.partitioning)
                if question not in answers:
                    answers[question] = _versions(asset, system, None)
                    notes += _rows_left_out(asset, answers[question])
                held = answers[question]
                found = {start: each for start, each in held.items() if start != NOWHERE}
                records = published(asset)
                if not withdraws:
                    _refuse_another_system(found, asset, records)
                versions[asset.name] = available_versions(asset, found, records)
            except PipelineError as error:
                versions[asset.name] = {}
                problems.append(f"{asset.name}: {error}")
        elif system:
            destinations[asset.name] = system.address
    return OutsideVersions(versions, destinations, idle, tuple(problems), tuple(notes))


def available_versions(
    asset: LakeAsset,
    found: Mapping[datetime, WindowVersion],
    records: Mapping[str, PartitionRecord],
) -> dict[str, str]:
    """The version of every closed window from the first to the last that has rows.

    Windows that are published count as well, wherever they lie: what the system no longer holds of
    them is gone, and they have to follow.

    Args:
        asset: An asset that reads the system and has time windows.
        found: What the system holds for each window, by the window's start.
        records: The published windows.

    Returns:
        Version by partition key.
    """
    partitioning = asset.partitioning
    if partitioning is None:
        return {}
    held = partitioning.closed_keys(min(found), max(found)) if found else frozenset()
    keys = held | partitioning.ended(records)
    return _by_key(partitioning, sorted(keys), found)


def _refuse_another_system(
    found: Mapping[datetime, WindowVersion],
    asset: LakeAsset,
    records: Mapping[str, PartitionRecord],
) -> None:
    """Refuse a system that holds so little of what is published that it may be the wrong one.

    Raises:
        PipelineError: It holds none of it, or less than half of it and many windows are concerned.
    """
    partitioning = asset.partitioning
    known = partitioning.ended(records) if partitioning else set()
    windows = partitioning.windows(known) if partitioning else {}
    starts = {key: start for key, (start, _) in windows.items()}
    lacking = {
        key: records[key].rows - held
        for key, start in starts.items()
        if (held := found[start].rows if start in found else 0) is not None
    }
    lost = {key: rows for key, rows in lacking.items() if rows > 0}
    total, gone = sum(records[key].rows for key in known), sum(lost.values())
    is_most = 2 * gone > total and len(lost) > FEW_WINDOWS
    if gone and (gone == total or is_most):
        raise PipelineError(
            f"the {asset.system} database lacks {gone:,} of the {total:,} rows that are published: "
            "is it the right one? Nothing is withdrawn. If it is: pipeline-assets update --withdraw"
        )


def outside_versions(
    asset: LakeAsset, systems: Mapping[str, OutsideSystem], keys: Sequence[str]
) -> dict[str, str]:
    """Version of an asset's outside system by partition key; empty if it has none.

    Ask before reading the rows. A change in between then makes the partition stale again, instead
    of passing unnoticed.

    Raises:
        PipelineError: The system is not configured, or cannot be asked.
    """
    if asset.system is None:
        return {}
    system = systems[asset.system]
    if asset.source_versions is None:
        return dict.fromkeys(keys or (WHOLE_TABLE,), system.address)
    partitioning = asset.partitioning
    windows = partitioning.windows(keys) if partitioning else {}
    if partitioning is None or not windows:
        return {}
    span = min(start for start, _ in windows.values()), max(end for _, end in windows.values())
    return _by_key(partitioning, keys, _versions(asset, system, span))


def _versions(
    asset: LakeAsset, system: OutsideSystem, within: tuple[datetime, datetime] | None
) -> Mapping[datetime, WindowVersion]:
    length = asset.partitioning.window_length if asset.partitioning else None
    if asset.source_versions is None or length is None:
        return {}
    return asset.source_versions(system.require(), length, within)


def _rows_left_out(asset: LakeAsset, found: Mapping[datetime, WindowVersion]) -> Iterator[str]:
    """What no window can hold: people are told, and it stops none of the windows there are."""
    if NOWHERE in found:
        yield (
            f"{asset.name}: {found[NOWHERE].rows:,} rows have no date, or one beyond any calendar, "
            f"and are left out; correct them in the {asset.system} database"
        )
    placed = {start: held for start, held in found.items() if start != NOWHERE}
    yield from _rows_before_the_start(asset, placed)


def _rows_before_the_start(
    asset: LakeAsset, found: Mapping[datetime, WindowVersion]
) -> Iterator[str]:
    """What is left out because it is older than the first window there is."""
    first = asset.partitioning.first_window if asset.partitioning else None
    if first is None:
        return
    key, start = first
    rows = sum(held.rows or 0 for begin, held in found.items() if begin < start)
    if rows:
        yield (
            f"{asset.name}: {rows:,} rows are older than the first window {key} and left out; "
            "an earlier PIPELINE_RENTALS_START takes them in"
        )


def _by_key(
    partitioning: Partitioning, keys: Sequence[str], found: Mapping[datetime, WindowVersion]
) -> dict[str, str]:
    windows = partitioning.windows(keys)
    held = {key: found.get(windows[key][0]) for key in keys}
    return {key: each.version if each else EMPTY for key, each in held.items()}
