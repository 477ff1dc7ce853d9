"""How tables are cut, one shared object each."""

import warnings
from datetime import UTC, date, datetime
from functools import cache
from typing import Literal, TypeAlias

import dagster as dg
import ibis.expr.datatypes as dt

from pipeline_assets.dataset.partitioning import Partitioning

Granularity: TypeAlias = Literal["daily", "hourly"]

SPLITS = Partitioning("split", dg.StaticPartitionsDefinition(["train", "test"]))
CATEGORIES = Partitioning("category", dg.DynamicPartitionsDefinition(name="category"))
SNAPSHOTS = Partitioning(
    "snapshot", dg.DynamicPartitionsDefinition(name="snapshot"), follows_time=True
)


@cache
def windows(granularity: Granularity, start: date) -> Partitioning:
    """Windows of time in UTC, by the day or by the hour, from a day on.

    Daily keys are dates, and so is the column; hourly keys are text such as ``2026-01-01T05``.
    """
    first = datetime(start.year, start.month, start.day, tzinfo=UTC)
    if granularity == "daily":
        return Partitioning("insert_date", dg.DailyPartitionsDefinition(first, timezone="UTC"))
    hours = dg.HourlyPartitionsDefinition(first, timezone="UTC", fmt="%Y-%m-%dT%H")
    return Partitioning("insert_date", hours, dt.string)


def _up_to_now() -> dg.TimeWindowPartitionMapping:
    with warnings.catch_warnings():
        # That windows before the first one are left out is still called beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-400_000, allow_nonexistent_upstream_partitions=True
        )


FIRST_DAY = date(2005, 1, 1)
DAYS = windows("daily", FIRST_DAY)
UP_TO_NOW = _up_to_now()
"""A window depends on itself and all before it: 45 years of hours, a millennium of days."""
