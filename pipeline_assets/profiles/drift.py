"""Drift: how the profile of a new partition differs from those of the partitions before it.

A drift warns and never blocks. Its thresholds allow for chance: a partition of few rows scatters
more than one of many.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING, Final

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.profiles.profiles import ColumnProfile, published_profiles

if TYPE_CHECKING:
    from pipeline_assets.iceberg.tables import Lake

COMPARED: Final = 8
"""How many earlier partitions a partition is compared with: a week, and the same weekday."""
SIGMAS: Final = 6
"""Standard errors that chance stays within, however many measures are compared."""
_SHARE: Final = 0.001
_RELATIVE: Final = 0.2
_SHIFT: Final = 0.5
_FACTOR: Final = 2.0


@dataclass(frozen=True)
class Drift:
    """A measure of a partition that is far from its usual value."""

    partition: str
    measure: str
    before: float
    now: float


def drifts(
    partition: str,
    now: Sequence[ColumnProfile],
    before: Sequence[Sequence[ColumnProfile]],
) -> Iterator[Drift]:
    """The measures of a partition that are far from their medians in earlier partitions.

    - The row count: less than half or more than twice its median.
    - A share: further from its median than a fifth of it, and further than chance explains.
    - A mean: more than half a standard deviation from its median.
    - A standard deviation: less than half or more than twice its median.
    """
    past = [{(each.column_name, each.class_name): each for each in found} for found in before]
    yield from (Drift(partition, *found) for found in _row_count_drift(now, before))
    for profile in now:
        key = (profile.column_name, profile.class_name)
        same = [found[key] for found in past if key in found]
        yield from (Drift(partition, *found) for found in _column_drifts(profile, same))


def baseline_keys(asset: LakeAsset, key: str, published: Iterable[str]) -> list[str]:
    """The published partitions that a partition is compared with.

    Where partitions follow one another in time, these are the ones before it. Otherwise it is the
    same partition as it was published before.
    """
    if asset.partitioning is None or not asset.partitioning.is_ordered:
        return [key] if key in published else []
    return sorted(name for name in published if name < key)[-COMPARED:]


def drift_of(
    asset: LakeAsset,
    lake: "Lake",
    profiles: Mapping[str, Sequence[ColumnProfile]],
) -> tuple[list[Drift], int]:
    """The drifts of new partitions, and the number of partitions they were compared with.

    Raises:
        PipelineError: The catalog or the lake cannot be read.
    """
    records = dict(lake.records(asset.table))
    compared = {key: baseline_keys(asset, key, records) for key in profiles}
    wanted = {name: records[name] for names in compared.values() for name in names}
    past = published_profiles(lake, asset.table, wanted) if wanted else {}
    found = [
        drift
        for key, now in profiles.items()
        for drift in drifts(key, now, [past[name] for name in compared[key] if name in past])
    ]
    return found, len(past)


Found = tuple[str, float, float]


def _row_count_drift(
    now: Sequence[ColumnProfile], before: Sequence[Sequence[ColumnProfile]]
) -> Iterator[Found]:
    counts = [found[0].rows for found in before if found]
    if not now or not counts:
        return
    usual, rows = float(median(counts)), float(now[0].rows)
    if _is_beyond(rows, usual) and abs(rows - usual) > SIGMAS * sqrt(max(usual, 1)):
        yield "rows", usual, rows


def _column_drifts(now: ColumnProfile, before: Sequence[ColumnProfile]) -> Iterator[Found]:
    share = _median(each.share for each in before)
    if share is not None and now.share is not None and _is_far(now.share, share, now.rows):
        what = f"is {now.class_name}" if now.class_name is not None else "is null"
        yield f"share of `{now.column_name}` that {what}", share, now.share
    mean, deviation = (
        _median(each.mean for each in before),
        _median(each.deviation for each in before),
    )
    if mean is None or deviation is None:
        return
    if now.mean is not None and _is_off(now.mean, mean, deviation, now.rows):
        yield f"mean of `{now.column_name}`", mean, now.mean
    if now.deviation is not None and _is_wild(now.deviation, deviation, now.rows):
        yield f"deviation of `{now.column_name}`", deviation, now.deviation


def _is_far(now: float, before: float, rows: int) -> bool:
    """Whether a share has moved further than chance moves it for so many rows.

    The estimate adds a row of each kind, because a share of exactly 0 would leave chance no room.
    """
    rate = (before * rows + 1) / (rows + 2)
    chance = SIGMAS * sqrt(rate * (1 - rate) / max(rows, 1))
    return abs(now - before) > _SHARE + _RELATIVE * min(before, 1 - before) + chance


def _is_off(now: float, mean: float, deviation: float, rows: int) -> bool:
    slack = deviation * (_SHIFT + SIGMAS / sqrt(max(rows, 1)))
    # The last term covers the rounding of sums where a column is constant.
    return abs(now - mean) > slack + 1e-9 * abs(mean)


def _is_wild(now: float, before: float, rows: int) -> bool:
    """Whether a deviation is far from the usual one; few rows scatter by chance."""
    slack = before * SIGMAS / sqrt(max(rows, 1))
    return _is_beyond(now, before) and abs(now - before) > slack


def _is_beyond(now: float, before: float) -> bool:
    return now > before * _FACTOR or now * _FACTOR < before


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
