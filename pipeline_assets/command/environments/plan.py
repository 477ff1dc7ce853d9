"""`env plan`: what the code as it is now would change in an environment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline_assets.command.selection import selection
from pipeline_assets.dataset.values.texts import first_and_last
from pipeline_assets.environments.costs import Cost, cost_of
from pipeline_assets.staleness.stale_partitions import CODE, Stale
from pipeline_assets.staleness.withdrawals import kept

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session


@dataclass(frozen=True)
class Planned:
    """The partitions of an asset that would be made.

    Attributes:
        items: The partitions.
        rows: Of those that were published before.
        cost: Of the last time that they were made.
    """

    items: Sequence[Stale]
    rows: int
    cost: Cost


def plan(production: "Session", environment: "Session", select: str | None) -> Iterator[str]:
    """Say what `update` would make in an environment, and what it may cost.

    Raises:
        PipelineError: The lake, the landing zone or Dagster's storage cannot be read, or nothing is
            selected.
    """
    planned = [
        _planned(production, environment, list(items))
        for _, items in groupby(_stale(production, environment, select), lambda it: it.asset.name)
    ]
    changed = [it.asset.name for each in planned for it in each.items if it.reason == CODE]
    if changed:
        yield f"The code of {', '.join(dict.fromkeys(changed))} has changed."
    yield from map(_line, planned)
    yield _total(planned)


def _stale(production: "Session", environment: "Session", select: str | None) -> Iterator[Stale]:
    """What is stale in an environment, asset by asset; nothing is recorded.

    An environment lists the same landing zone, so that Dagster of production knows the partitions.
    """
    whole = replace(environment.survey(), instance=production.instance)
    chosen = selection(whole.assets, select, None, environment.graph)
    survey = chosen.narrowed(whole)
    listings = survey.listings()
    stale = survey.stale(kept(listings, survey.withdrawn(listings)), survey.outside())
    return (item for item in stale if chosen.holds(item.asset, item.key))


def _planned(production: "Session", environment: "Session", items: Sequence[Stale]) -> Planned:
    asset, keys = items[0].asset, {it.key for it in items}
    records = environment.deployment.lake.records(asset.table)
    rows = sum(records[key].rows for key in keys if key in records)
    # Dagster remembers costs where production runs.
    return Planned(items, rows, cost_of(production.instance, asset.key, keys))


def _line(planned: Planned) -> str:
    keys = sorted(it.key for it in planned.items)
    place = f"{planned.items[0].asset.name} {first_and_last(keys)}".strip()
    rows = f"{planned.rows:,} rows now" if planned.rows else "no rows yet"
    reasons = "; ".join(sorted({it.reason for it in planned.items}))
    return f"{place}: {reasons}; {rows}, {_told(planned.cost, len(keys))}"


def _total(planned: Sequence[Planned]) -> str:
    partitions = sum(len(each.items) for each in planned)
    if not partitions:
        return "Nothing would be made: the environment is up to date with this code."
    costs = [each.cost for each in planned]
    priced = [it.usd for it in costs if it.usd is not None]
    usd = sum(priced) if priced else None
    whole = Cost(sum(it.known for it in costs), sum(it.seconds for it in costs), usd)
    return (
        f"{partitions} partitions of {len(planned)} assets would be made, of which "
        f"{sum(each.rows for each in planned):,} rows are there now; {_told(whole, partitions)}"
    )


def _told(cost: Cost, partitions: int) -> str:
    if not cost.known:
        return "cost unknown"
    price = "" if cost.usd is None else f" and {cost.usd:.4f} USD"
    of = "" if cost.known == partitions else f" for {cost.known} of {partitions} partitions"
    return f"last time {cost.seconds:.2f} s of an engine{price}{of}"
