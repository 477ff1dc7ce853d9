"""The partitionings that assets of several domains share.

Assets that share one of these objects have the same partition keys, so that a partition downstream
maps to the partition upstream with the same key.
"""

import warnings
from datetime import UTC, date, datetime
from functools import cache

import dagster as dg
import ibis.expr.datatypes as dt

from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.values.windows import (
    FIRST_DAY,
    FIRST_EVENT_DAY,
    FIRST_MONTH,
    Granularity,
)

SPLITS = Partitioning("split", dg.StaticPartitionsDefinition(["train", "test"]))
CATEGORIES = Partitioning("category", dg.DynamicPartitionsDefinition(name="category"))
SNAPSHOTS = Partitioning(
    "snapshot", dg.DynamicPartitionsDefinition(name="snapshot"), follows_time=True
)


@cache
def windows(granularity: Granularity, start: date) -> Partitioning:
    """Daily or hourly windows of time in UTC, from a first day on.

    Daily keys are dates, and so is the column. Hourly keys are text such as ``2026-01-01T05``, and
    so is their column, because Iceberg has no type for an hour.
    """
    first = _midnight(start)
    if granularity == "daily":
        return Partitioning("insert_date", _days(first))
    return Partitioning("insert_date", _hours(first), dt.string)


@cache
def event_hours(start: date) -> Partitioning:
    """Hours in UTC from a first day on, for what happens all the time."""
    return Partitioning("hour", _hours(_midnight(start)))


@cache
def event_days(start: date) -> Partitioning:
    """The days of those hours."""
    return Partitioning("day", _days(_midnight(start)))


def _days(first: datetime) -> dg.DailyPartitionsDefinition:
    return dg.DailyPartitionsDefinition(first, timezone="UTC")


def _hours(first: datetime) -> dg.HourlyPartitionsDefinition:
    return dg.HourlyPartitionsDefinition(first, timezone="UTC", fmt="%Y-%m-%dT%H")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@cache
def months(start: date) -> Partitioning:
    """Months in UTC such as ``2026-01``, the one that has not ended included.

    Their column is text, because Iceberg has no type for a month.
    """
    first = _midnight(start.replace(day=1))
    definition = dg.MonthlyPartitionsDefinition(first, timezone="UTC", fmt="%Y-%m", end_offset=1)
    return Partitioning("month", definition)


def _since(windows: int) -> dg.TimeWindowPartitionMapping:
    with warnings.catch_warnings():
        # Dagster still marks allow_nonexistent_upstream_partitions as beta. Without it, an offset
        # that reaches windows before the first one is an error.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-windows, allow_nonexistent_upstream_partitions=True
        )


DAYS = windows("daily", FIRST_DAY)
HOURS = event_hours(FIRST_EVENT_DAY)
EVENT_DAYS = event_days(FIRST_EVENT_DAY)
BATCHES = Partitioning("batch", dg.DynamicPartitionsDefinition(name="batch"), follows_time=True)
UP_TO_NOW = _since(400_000)
"""A window depends on itself and on all before it; the offset is 45 years in hours."""
LISTS = Partitioning("list", dg.DynamicPartitionsDefinition(name="list"))
MONTHS = months(FIRST_MONTH)
WITH_THE_MONTH_BEFORE = _since(1)
"""A month depends on itself and on the one before it."""
