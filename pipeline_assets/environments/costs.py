"""What partitions have cost when they were materialised last, as Dagster remembers it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import dagster as dg

_SECONDS: Final = "seconds/"
_USD: Final = "job/estimated_cost_usd"
_REMEMBERED: Final = 1000
"""Materialisations of an asset that are looked at; the last of most partitions is among them."""


@dataclass(frozen=True)
class Cost:
    """What some partitions have cost.

    Attributes:
        known: How many of them Dagster remembers.
        seconds: That engines took for these.
        usd: Of those that ran on a service with a price; None if none did.
    """

    known: int
    seconds: float
    usd: float | None


def cost_of(instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[str]) -> Cost:
    """The cost of the last materialisation of each partition.

    A run that has materialised several partitions reports its whole cost with each of them, so that
    each bears its share.
    """
    events = instance.fetch_materializations(key, limit=_REMEMBERED).records
    together = Counter(event.run_id for event in events)
    seconds = dict[str, float]()
    usd = dict[str, float]()
    for event in events:  # the newest first
        partition = event.partition_key or ""
        if partition not in partitions or partition in seconds:
            continue
        figures = _figures(event)
        share = together[event.run_id]
        timed = (it for name, it in figures.items() if name.startswith(_SECONDS))
        seconds[partition] = sum(timed) / share
        if _USD in figures:
            usd[partition] = figures[_USD] / share
    return Cost(len(seconds), sum(seconds.values()), sum(usd.values()) if usd else None)


def _figures(event: dg.EventLogRecord) -> dict[str, float]:
    found = event.asset_materialization
    values = {name: it.value for name, it in found.metadata.items()} if found else {}
    return {name: float(it) for name, it in values.items() if isinstance(it, int | float)}
