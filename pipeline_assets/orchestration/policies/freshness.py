"""How fresh every asset must be, by its layer and its cadence.

A partition of a time window must be published some hours after the window has ended, later layers
later. Every other asset may reach a greatest age.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final, Literal, TypeAlias

import dagster as dg

from pipeline_assets.dagster_internals import CronFreshnessPolicy, TimeWindowFreshnessPolicy
from pipeline_assets.dataset.asset import LakeAsset

Layer: TypeAlias = Literal["raw", "table", "outgoing"]
Cadence: TypeAlias = Literal["hourly", "daily", "monthly", "deliveries", "once", "renewed"]

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
MONTHLY_SETTLE: Final[Mapping[Layer, timedelta]] = {
    "raw": timedelta(hours=72),
    "table": timedelta(hours=73),
    "outgoing": timedelta(hours=74),
}
"""How long after a window has ended its partition is due; vendors deliver at night, and what is
counted by months comes up to two days late."""


@dataclass(frozen=True)
class Age:
    """How old the last materialisation may be before the policy warns, and before it fails."""

    warn: timedelta
    fail: timedelta


AGES: Final[Mapping[Cadence, Age]] = {
    # Vendors deliver at least every month.
    "deliveries": Age(31 * DAY, 45 * DAY),
    # The month that has not ended grows every day.
    "monthly": Age(4 * DAY, 7 * DAY),
    # A data set that never changes is still materialised once a year, with the code of that day.
    "once": Age(335 * DAY, 365 * DAY),
    # The automation condition renews these on the first of each month.
    "renewed": Age(33 * DAY, 40 * DAY),
}


def layer_of(asset: LakeAsset) -> Layer:
    """Whether the asset holds data as delivered, computes a table, or exports one."""
    layers: Mapping[str, Layer] = {"ingest": "raw", "export": "outgoing"}
    return layers.get(asset.kind, "table")


def cadence_of(asset: LakeAsset) -> Cadence:
    """How often new data comes."""
    if asset.refreshes_on_request:
        return "renewed"
    partitioning = asset.partitioning
    if partitioning is None:
        return "once"
    if partitioning.window_length is not None:
        length = partitioning.window_length
        return "hourly" if length < DAY else "daily" if length == DAY else "monthly"
    is_open = isinstance(partitioning.definition, dg.DynamicPartitionsDefinition)
    return "deliveries" if is_open else "once"


def settle_of(asset: LakeAsset) -> timedelta | None:
    """How long after its window has ended a partition is due; None without windows."""
    settles = {"hourly": HOURLY_SETTLE, "daily": DAILY_SETTLE, "monthly": MONTHLY_SETTLE}
    cadence = cadence_of(asset)
    return settles[cadence][layer_of(asset)] if cadence in settles else None


def freshness_of(asset: LakeAsset) -> dg.FreshnessPolicy:
    """The policy of an asset: a deadline for each time window, or else a greatest age."""
    settle = settle_of(asset)
    if settle is None or cadence_of(asset) == "monthly":
        age = AGES[cadence_of(asset)]
        return dg.FreshnessPolicy.time_window(fail_window=age.fail, warn_window=age.warn)
    minutes = int(settle.total_seconds()) // 60
    hour = minutes // 60 if cadence_of(asset) == "daily" else "*"
    return _deadline(f"{minutes % 60} {hour} * * *", settle)


# Dagster walks through the calendar to validate a policy, and most assets share one of a few.
@cache
def _deadline(cron: str, settle: timedelta) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.cron(cron, settle, timezone="UTC")


def describe(policy: dg.FreshnessPolicy) -> str:
    """A policy in words, for the generated documentation.

    Raises:
        TypeError: The policy is of a kind that this project does not use.
    """
    if isinstance(policy, CronFreshnessPolicy):
        bound, cron = _long(policy.lower_bound_delta), policy.deadline_cron
        return f"materialised in the {bound} before `{cron}` UTC"
    if isinstance(policy, TimeWindowFreshnessPolicy) and policy.warn_window:
        warn, fail = policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()
        return f"materialised in the last {_long(fail)}; warns after {_long(warn)}"
    raise TypeError(f"{type(policy).__name__} has no description")


def _long(length: timedelta) -> str:
    hours, seconds = divmod(int(length.total_seconds()), 3600)
    if hours and hours % 24 == 0:
        return f"{hours // 24} days"
    return f"{hours} hours" if hours else f"{seconds // 60} minutes"
