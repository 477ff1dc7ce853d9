"""What is asked of a graph with many partitions: rentals with years of days, or hours of a year.

    python -m benchmarks.partitions [--days 73 730 7300] [--hours 8760]

Every window has a payment and a delivered review, and every table has published all of them with an
outdated code version, so that everything is stale: the most that there can be to find out. CPU
seconds of this process.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final, TypeVar

import dagster as dg
from pydantic import SecretStr

from benchmarks.harness import markdown
from pipeline_assets.command.batches import batches
from pipeline_assets.command.postgres_server import ensure_database, throwaway_postgres
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.dataset.values.windows import Granularity
from pipeline_assets.orchestration.policies.completeness import completeness
from pipeline_assets.settings import Settings
from pipeline_assets_tests.domains.rentals.world import FILMS, SHOP, World, sql

Found = TypeVar("Found")

HEADER: Final = ("windows", "list landing", "ask Postgres", "what is stale", "batches", "complete")
FORMATS: Final[dict[Granularity, str]] = {"daily": "%Y-%m-%d", "hourly": "%Y-%m-%d-%H:%M"}
LENGTHS: Final[dict[Granularity, timedelta]] = {
    "daily": timedelta(days=1),
    "hourly": timedelta(hours=1),
}


def measured(
    server: SecretDsn, folder: Path, granularity: Granularity, count: int
) -> Iterator[str]:
    """A row of the table."""
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [now - LENGTHS[granularity] * number for number in range(count, 0, -1)]
    shop = ensure_database(server, f"shop_{granularity}_{count}")
    fill(shop, starts)
    settings = Settings(
        lake_uri=str(folder / "lake"),
        landing_uri=str(folder / "landing"),
        dagster_home=folder / "home",
        oltp_dsn=SecretStr(shop.reveal()),
        rentals_granularity=granularity,
        rentals_start=starts[0].date(),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(settings, instance)
        keys = [start.strftime(FORMATS[granularity]) for start in starts]
        for key in keys:
            world.land(key, ("1", "fine", "5"))
        updater = world.updater
        publish(updater, keys)
        yield f"{count:,} {granularity}"
        yield from timings(updater)


def timings(updater: Updater) -> Iterator[str]:
    """CPU seconds of what `missing` and the sensors ask."""
    spent, listings = timed(updater.listings)
    yield spent
    spent, _ = timed(updater.outside)
    yield spent
    spent, stale = timed(lambda: updater.stale(listings))
    yield f"{spent} ({len(stale):,})"
    yield timed(lambda: list(batches(stale)))[0]
    asset = updater.assets[-1]
    assert asset.partitioning
    partitioning, known = asset.partitioning, updater.deployment.lake.records(asset.table)
    yield timed(lambda: completeness(partitioning, known.keys(), datetime.now(UTC)))[0]


def timed(work: Callable[[], Found]) -> tuple[str, Found]:
    """CPU seconds of some work, and what it returns."""
    begin = process_time()
    found = work()
    return f"{process_time() - begin:.2f} s", found


def fill(shop: SecretDsn, starts: Sequence[datetime]) -> None:
    """A shop with a payment in every window."""
    values = ", ".join(
        f"({number}, 1, 1, 1.00, '{start:%Y-%m-%d %H:%M}')"
        for number, start in enumerate(starts, start=1)
    )
    sql(shop, f"{SHOP}; {FILMS}; INSERT INTO rental VALUES (1, 1, 1)")
    sql(shop, f"INSERT INTO payment VALUES {values}")


def publish(updater: Updater, keys: Sequence[str]) -> None:
    """Publish every window of every table, without rows and by an outdated version of the code."""
    for asset in updater.assets:
        record = PartitionRecord("v", {}, "outdated", "run", rows=0, bytes=0)
        names = keys if asset.partitioning and asset.partitioning.in_time else [""]
        updater.deployment.lake.publish(asset.table, [], dict.fromkeys(names, record))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs="*", default=[73, 730, 7300])
    parser.add_argument("--hours", type=int, nargs="*", default=[8760])
    options = parser.parse_args()
    wanted: list[tuple[Granularity, int]] = [("daily", count) for count in options.days]
    wanted += [("hourly", count) for count in options.hours]
    rows = []
    with throwaway_postgres() as server:
        for granularity, count in wanted:
            with TemporaryDirectory() as folder:
                rows.append(list(measured(server, Path(folder), granularity, count)))
    print(markdown(HEADER, rows))


if __name__ == "__main__":
    main()
