"""What every domain's world does alike: update as the command does, and read tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline_assets.command.batches import batches
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.definitions import assets_for
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.told import register
from pipeline_assets.reading.query import query
from pipeline_assets.settings import Settings
from pipeline_assets.staleness.stale_partitions import IsForced, nothing_forced


@dataclass(frozen=True)
class Updated:
    """What an update found to do, what it could not place or ask, and what failed."""

    made: tuple[str, ...]
    problems: tuple[str, ...]
    failures: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def update(
    updater: Updater, *names: str, is_forced: IsForced = nothing_forced, accepts: bool = False
) -> Updated:
    """Bring everything, or the tables of these names, up to date, and what is forced again."""
    listings, outside = updater.listings(), updater.outside()
    register(updater.instance, updater.sources, listings)
    found = updater.stale(listings, outside, is_forced)
    stale = [item for item in found if not names or item.asset.table.name in names]
    outcomes = list(updater.run(batches(stale), accepts=accepts))
    unplaced = [line for listing in listings.values() for line in listing.problems]
    return Updated(
        made=tuple(f"{item.asset.table.name}[{item.key}]" for item in stale),
        problems=(*unplaced, *outside.problems),
        failures=tuple(line for outcome in outcomes for line in outcome.failures),
        warnings=tuple(line for outcome in outcomes for line in outcome.warnings),
    )


def read_lake(settings: Settings, assets: Iterable[LakeAsset], sql: str) -> list[tuple[Any, ...]]:
    """The answer to a query over these assets' tables."""
    deployment = Deployment(settings)
    tables = [asset.table for asset in assets_for(settings, tuple(assets))]
    with query(sql, deployment.lake, tables, deployment.embedded) as answer:
        return list(answer.rows)
