"""How fresh every asset must be: by its layer and by how often its data comes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias

import dagster as dg

from pipeline_assets.dagster_internals import CronFreshnessPolicy, TimeWindowFreshnessPolicy
from pipeline_assets.dataset.asset import LakeAsset

Layer: TypeAlias = Literal["raw", "table", "outgoing"]
Cadence: TypeAlias = Literal["hourly", "daily", "deliveries", "once", "renewed"]

DAY: Final = timedelta(days=1)
HOURLY_SETTLE: Final[Mapping[Layer, timedelta]] = {
    "raw": timedelta(minutes=20),
    "table": timedelta(minutes=35),
    "outgoing": timedelta(minutes=50),
}
DAILY_SETTLE: Final[Mapping[Layer, timedelta]] = {
    "raw": timedelta(hours=6),
    "table": timedelta(hours=7),
    "outgoing": timedelta(hours=8),
}
"""How long after a window has ended it must be there; vendors deliver at night."""


@dataclass(frozen=True)
class Age:
    """How old the last materialisation may be before it warns, and before it fails."""

    warn: timedelta
    fail: timedelta


AGES: Final[Mapping[Cadence, Age]] = {
    # Vendors deliver at least every month.
    "deliveries": Age(31 * DAY, 45 * DAY),
    # A data set that never changes is still made anew once a year, with the code of that day.
    "once": Age(335 * DAY, 365 * DAY),
    # What is kept is renewed on the first of each month.
    "renewed": Age(33 * DAY, 40 * DAY),
}


def layer_of(asset: LakeAsset) -> Layer:
    """Whether it is as delivered, computed, or leaves the lake."""
    layers: Mapping[str, Layer] = {"ingest": "raw", "export": "outgoing"}
    return layers.get(asset.kind, "table")


def cadence_of(asset: LakeAsset) -> Cadence:
    """How often its data comes."""
    cut = asset.partitioning
    if cut is None:
        return "renewed"
    if cut.window_length is not None:
        return "daily" if cut.window_length >= DAY else "hourly"
    is_open = isinstance(cut.definition, dg.DynamicPartitionsDefinition)
    return "deliveries" if is_open else "once"


def settle_of(asset: LakeAsset) -> timedelta | None:
    """How long after its window has ended a partition must be there; None without windows."""
    settles = {"hourly": HOURLY_SETTLE, "daily": DAILY_SETTLE}
    cadence = cadence_of(asset)
    return settles[cadence][layer_of(asset)] if cadence in settles else None


def freshness_of(asset: LakeAsset) -> dg.FreshnessPolicy:
    """The policy of any asset: a deadline for each window of time, else a greatest age."""
    settle = settle_of(asset)
    if settle is None:
        age = AGES[cadence_of(asset)]
        return dg.FreshnessPolicy.time_window(fail_window=age.fail, warn_window=age.warn)
    minutes = int(settle.total_seconds()) // 60
    hour = minutes // 60 if cadence_of(asset) == "daily" else "*"
    return dg.FreshnessPolicy.cron(f"{minutes % 60} {hour} * * *", settle, timezone="UTC")


def told(policy: dg.FreshnessPolicy) -> str:
    """A policy in words.

    Raises:
        TypeError: It is of a kind that we do not use.
    """
    if isinstance(policy, CronFreshnessPolicy):
        return f"made in the {_long(policy.lower_bound_delta)} before `{policy.deadline_cron}` UTC"
    if isinstance(policy, TimeWindowFreshnessPolicy) and policy.warn_window:
        warn, fail = policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()
        return f"made in the last {_long(fail)}; warns after {_long(warn)}"
    raise TypeError(f"{type(policy).__name__} is told nowhere")


def _long(length: timedelta) -> str:
    hours, seconds = divmod(int(length.total_seconds()), 3600)
    if hours and hours % 24 == 0:
        return f"{hours // 24} days"
    return f"{hours} hours" if hours else f"{seconds // 60} minutes"
