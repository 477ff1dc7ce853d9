"""How a table is cut into partitions."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import TypeAlias

import dagster as dg
import ibis.expr.datatypes as dt

from pipeline_assets.dagster_internals import (
    DynamicPartitionsStore,
    PersistedTimeWindow,
    TimeWindowPartitionsSubset,
)

Window: TypeAlias = tuple[datetime, datetime]


@dataclass(frozen=True)
class Partitioning:
    """A partition column and the Dagster definition of its keys.

    Attributes:
        column: Carried physically by every table cut this way; its text is the partition key.
        definition: One shared object per partitioning, so that Dagster maps partitions one to one.
            Windows of time are in UTC, and their keys sort by time.
        column_type: Of the column, where it is not the one that contracts declare.
        follows_time: Whether dynamic keys follow each other in time, as dates do.
    """

    column: str
    definition: dg.PartitionsDefinition[str]
    column_type: dt.DataType | None = None
    follows_time: bool = False

    def keys(self, instance: DynamicPartitionsStore) -> Sequence[str]:
        """All keys there are now; of windows of time, those that have ended."""
        return self.definition.get_partition_keys(dynamic_partitions_store=instance)

    def known(self, keys: Iterable[str], instance: DynamicPartitionsStore) -> set[str]:
        """Those of some keys that there are now; windows of time must have ended."""
        # To write out all windows takes long where there are many.
        return self.ended(keys) if self.in_time else set(keys).intersection(self.keys(instance))

    def has_key(self, key: str, instance: DynamicPartitionsStore) -> bool:
        """Whether there is such a key now; one of a window of time must have ended."""
        return bool(self.known([key], instance))

    def is_window(self, key: str) -> bool:
        """Whether it is the key of a window of time that has ended, from the first one on."""
        return bool(self.ended([key]))

    def ended(self, keys: Iterable[str]) -> set[str]:
        """Those of some keys that name windows of time that have ended, from the first one on."""
        definition = self.in_time
        first = definition.get_first_partition_key() if definition else None
        last = definition.get_last_partition_key() if definition else None
        if first is None or last is None:
            return set()
        # Dagster looks up the first and the last window for each key that it is asked for.
        return {key for key in keys if first <= key <= last and self._is_time(key)}

    def upstream_keys(
        self,
        key: str,
        upstream: "Partitioning",
        mapping: dg.PartitionMapping,
        among: Sequence[str],
        instance: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        """Those of some partitions of an input, which are sorted, that feed one partition."""
        mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
            self.definition.subset_with_partition_keys([key]),
            self.definition,
            upstream.definition,
            dynamic_partitions_store=instance,
        )
        subset = mapped.partitions_subset
        if upstream.in_time and isinstance(subset, TimeWindowPartitionsSubset):
            return _in_windows(among, subset.included_time_windows, upstream.in_time.fmt)
        return [name for name in among if name in subset]

    @property
    def is_ordered(self) -> bool:
        """Whether the order of keys is an order in time."""
        return self.follows_time or self.in_time is not None

    @property
    def in_time(self) -> dg.TimeWindowPartitionsDefinition | None:
        """The definition, if partitions are windows of time."""
        found = self.definition
        return found if isinstance(found, dg.TimeWindowPartitionsDefinition) else None

    @property
    def window_length(self) -> timedelta | None:
        """How long a partition lasts; None if partitions are no windows of time."""
        window = self.in_time and self.in_time.get_first_partition_window()
        return window.end - window.start if window else None

    @property
    def first_window(self) -> tuple[str, datetime] | None:
        """Key and start in UTC of the first window; None if partitions are no windows of time."""
        window = self.in_time and self.in_time.get_first_partition_window()
        if self.in_time is None or window is None:
            return None
        start = _utc(window.start)
        return start.strftime(self.in_time.fmt), start

    def windows(self, keys: Iterable[str]) -> Mapping[str, Window]:
        """The half-open window of each key, in UTC; empty if partitions are no windows of time."""
        definition = self.in_time
        if definition is None:
            return {}
        found = {key: definition.time_window_for_partition_key(key) for key in keys}
        return {key: (_utc(window.start), _utc(window.end)) for key, window in found.items()}

    def keys_around(self, shorter: "Partitioning", keys: Iterable[str]) -> set[str]:
        """Keys of the windows that have ended and that hold some shorter windows."""
        definition = self.in_time
        if definition is None:
            return set()
        starts = (start for start, _ in shorter.windows(keys).values())
        return self.ended({start.strftime(definition.fmt) for start in starts})

    def is_between(self, key: str, first: str, last: str, instance: DynamicPartitionsStore) -> bool:
        """Whether a key lies in a range, both ends included, as Dagster orders the keys.

        Windows of time are in the order of their keys, all others in that in which they were
        declared or added: the last of a range may come before the first by the alphabet. An end
        that has been deleted since leaves the range open.
        """
        if self.in_time:
            return first <= key <= last
        places = {name: place for place, name in enumerate(self.keys(instance))}
        found = places.get(key, -1)
        return places.get(first, 0) <= found <= places.get(last, len(places))

    def keys_between(
        self, first: str, last: str, instance: DynamicPartitionsStore
    ) -> Sequence[str]:
        """The keys of a range, both ends included, as Dagster orders them."""
        if self.in_time:
            return self.in_time.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))
        keys = list(self.keys(instance))
        known = first in keys and last in keys
        return keys[keys.index(first) : keys.index(last) + 1] if known else []

    def closed_keys(self, first: datetime, last: datetime) -> frozenset[str]:
        """Keys of the windows that have ended and hold any moment from the first to the last."""
        definition = self.in_time
        if definition is None:
            return frozenset()
        opened, ended = (
            definition.get_first_partition_window(),
            definition.get_last_partition_window(),
        )
        if opened is None or ended is None or last < opened.start or first >= ended.end:
            return frozenset()
        # Only the windows in between are written out: there may be twenty years of them.
        start = definition.get_partition_key_for_timestamp(first.timestamp())
        span = dg.TimeWindow(
            max(definition.start_time_for_partition_key(start), opened.start),
            min(last + timedelta(microseconds=1), ended.end),
        )
        return frozenset(definition.get_partition_keys_in_time_window(span))

    def is_open(self, key: str) -> bool:
        """Whether it is too early for a key: its window of time has not ended."""
        windows = self.windows([key]) if self._is_time(key) else {}
        return any(end > datetime.now(UTC) for _, end in windows.values())

    def complaint(self, key: str) -> str | None:
        """What is wrong with the key of something that landed; None if it names a partition."""
        static = self.definition
        if isinstance(static, dg.StaticPartitionsDefinition):
            known = " or ".join(static.get_partition_keys())
            return None if static.has_partition_key(key) else f"is not {known}"
        if self.in_time is None or self.is_open(key) or self.is_window(key):
            return None
        first = self.in_time.get_first_partition_key()
        return f"is no window from {first} on, written like that one"

    def _is_time(self, key: str) -> bool:
        definition = self.in_time
        if definition is None:
            return False
        try:
            start = datetime.strptime(key, definition.fmt).replace(tzinfo=UTC, minute=0, second=0)
        except ValueError:
            return False
        if start.year == MAXYEAR:
            # Its last window would end at a moment that Python has no date for.
            return False
        if not (definition.is_basic_daily or definition.is_basic_hourly):
            start = definition.start_time_for_partition_key(key)
        return start.strftime(definition.fmt) == key


Mapped: TypeAlias = dg.PartitionMapping | Partitioning
"""How an input's partitions feed an asset's: a mapping, or the partitioning of an input whose
windows of time lie within those of the asset, as hours within days."""


def _in_windows(keys: Sequence[str], windows: Sequence[PersistedTimeWindow], fmt: str) -> list[str]:
    """Sorted keys are in the order of time, so that those of a window lie side by side."""
    spans = [(_utc(each.start).strftime(fmt), _utc(each.end).strftime(fmt)) for each in windows]
    places = [(bisect_left(keys, start), bisect_left(keys, end)) for start, end in sorted(spans)]
    return [key for first, end in places for key in keys[first:end]]


def _utc(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp(), UTC)
