"""What making a new hour of events costs beside few hours and beside many.

    python -m benchmarks.activity.hours [--many 1000] [--turns 9]

An hour of one event lands and is made: three tables, their checks and commits. Before it, one lake
has few hours and another one many. Every hour of either was published by a commit of its own, as
`update` leaves them; the benchmark ends with an error if `update` finds one of them stale. The two
lakes take turns. Besides CPU seconds there are counts, which no load of the machine changes: files
that Python opens to read in the lake and the landing zone, new files of the lake, statements for
the catalog, statements for Dagster's storage. DuckDB's reading of data files is not counted.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Final, TypeVar

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine
from sqlalchemy import event as sqlalchemy_event

from benchmarks.harness import markdown
from pipeline_assets.command.batches import batches
from pipeline_assets.dagster_internals import DATA_VERSION_TAG
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.objects import fingerprint
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.orchestration.told import register
from pipeline_assets.settings import Settings
from pipeline_assets.staleness.stale_partitions import Stale
from pipeline_assets_tests.domains.activity.world import World, event

FEW: Final = 10
HOURLY: Final = ("raw_events", "rejected_rows", "events")
BEGIN: Final = datetime(2026, 1, 1)
COLUMNS: Final = ("CPU", "files opened", "files written", "catalog", "Dagster")

Found = TypeVar("Found")


@dataclass
class Counters:
    """What was done in a folder and asked of databases since the process began."""

    folder: Path
    opened: int = 0
    catalog: int = 0
    dagster: int = 0

    def install(self) -> None:
        """Count from now on."""
        sys.addaudithook(self._note_file)
        sqlalchemy_event.listen(Engine, "before_cursor_execute", self._note_statement)

    def _note_file(self, name: str, details: tuple[Any, ...]) -> None:
        if name == "open" and str(details[0]).startswith(str(self.folder)):
            is_read = details[2] & os.O_ACCMODE == os.O_RDONLY
            self.opened += is_read and "/home/" not in str(details[0])

    def _note_statement(self, connection: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        if "/lake/" in str(connection.engine.url):
            self.catalog += 1
        else:
            self.dagster += 1


@dataclass(frozen=True)
class Cost:
    """What some work took, in the order of the columns."""

    figures: tuple[float, ...]

    @staticmethod
    def of(work: Callable[[], Found], counters: Counters, lake: Path) -> "tuple[Cost, Found]":
        """Do some work in a lake; its cost, and what it returns."""
        files = set(lake.rglob("*"))
        before = counters.opened, counters.catalog, counters.dagster
        begin = process_time()
        found = work()
        spent = process_time() - begin
        after = counters.opened, counters.catalog, counters.dagster
        opened, catalog, dagster = (now - then for then, now in zip(before, after, strict=True))
        written = sum(path.is_file() for path in set(lake.rglob("*")) - files)
        return Cost((spent, opened, written, catalog, dagster)), found


@dataclass
class Filled:
    """A lake with so many hours of one event each."""

    world: World
    hours: int
    asked: list[Cost] = field(default_factory=list)
    made: list[Cost] = field(default_factory=list)

    def turn(self, counters: Counters) -> None:
        """Land and make one more hour."""
        lake = Path(self.world.settings.lake_uri)
        land(self.world, self.hours)
        self.hours += 1
        cost, stale = Cost.of(partial(stale_hours, self.world), counters, lake)
        assert len(stale) == len(HOURLY), "no hour but the new one is stale"
        self.asked.append(cost)
        self.made.append(Cost.of(partial(make, self.world, stale), counters, lake)[0])


def filled(folder: Path, hours: int, instance: dg.DagsterInstance) -> Filled:
    """A lake with so many hours; the first is made by a run, and the others like it."""
    settings = Settings(
        lake_uri=str(folder / "lake"), landing_uri=str(folder / "landing"),
        dagster_home=folder / "home", threads=2,
    )  # fmt: skip
    world = World(settings, instance)
    land(world, 0)
    make(world, stale_hours(world))
    for number in range(1, hours):
        land(world, number)
    listings = world.updater.listings()
    register(world.updater.instance, world.updater.sources, listings)
    (landed,) = (listing.partitions for listing in listings.values())
    assets = [asset for asset in world.updater.in_order() if asset.table.name in HOURLY]
    versions: dict[str, dict[str, str]] = {
        "deliveries": {key: fingerprint(objects) for key, objects in landed.items()}
    }
    for asset in assets:
        versions[asset.table.name] = dict(publish_like_first(world, asset, versions, hours))
    return Filled(world, hours)


def publish_like_first(
    world: World, asset: LakeAsset, versions: Mapping[str, Mapping[str, str]], hours: int
) -> Iterator[tuple[str, str]]:
    """Publish all hours but the first of a table, one after the other; each with its version."""
    lake = world.updater.deployment.lake
    first = lake.read(asset.table)
    record = first.records[hour_key(0)]
    rows = [pq.read_table(file, partitioning=None) for file in first.files]
    yield hour_key(0), record.version
    for key in map(hour_key, range(1, hours)):
        inputs = {name: versions[name][key] for name in record.inputs}
        fresh = replace(record, version=f"{asset.name}-{key}", inputs=inputs)
        lake.publish(asset.table, written(world, asset, rows, key), {key: fresh})
        report(world, asset, fresh, key)
        yield key, fresh.version


def written(world: World, asset: LakeAsset, rows: Sequence[pa.Table], key: str) -> list[str]:
    """The first hour's rows in files of another hour; a table without rows has no file."""
    folder = Path(world.updater.deployment.lake.location(asset.table), "data", key)
    folder.mkdir(parents=True)
    files: list[str] = []
    for table in rows:
        place = table.schema.get_field_index("hour")
        column = table.schema.field(place)
        hours = pa.array([key] * len(table), column.type)
        files.append(str(folder / f"{len(files)}.parquet"))
        pq.write_table(table.set_column(place, column, hours), files[-1])
    return files


def report(world: World, asset: LakeAsset, record: PartitionRecord, key: str) -> None:
    """Tell Dagster of a published hour, as its run would have."""
    tags = {DATA_VERSION_TAG: record.version}
    found = dg.AssetMaterialization(asset.key, partition=key, tags=tags)
    world.instance.report_runless_asset_event(found)


def hour_key(number: int) -> str:
    """The partition of an hour."""
    return f"{BEGIN + timedelta(hours=number):%Y-%m-%dT%H}"


def land(world: World, hour: int) -> None:
    """Land one event in an hour."""
    key = hour_key(hour)
    path = Path(world.settings.landing_uri, "activity", key, "first.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(event(0, f"{key}:00:00Z", event_id=key)) + "\n")


def stale_hours(world: World) -> list[Stale]:
    """What `update` finds to be made of the hourly tables."""
    updater = world.updater
    listings = updater.listings()
    register(updater.instance, updater.sources, listings)
    found = updater.stale(listings, updater.outside())
    return [item for item in found if item.asset.table.name in HOURLY]


def make(world: World, stale: Sequence[Stale]) -> None:
    """Make them."""
    failures = [line for each in world.updater.run(batches(stale)) for line in each.failures]
    assert failures == []


@contextmanager
def lakes(folder: Path, counts: Sequence[int]) -> Iterator[list[Filled]]:
    """Lakes with so many hours, each with a Dagster of its own."""
    places = [folder / str(count) for count in counts]
    for place in places:
        (place / "home").mkdir(parents=True)
    instances = [dg.DagsterInstance.local_temp(str(place / "home")) for place in places]
    try:
        yield [filled(*each) for each in zip(places, counts, instances, strict=True)]
    finally:
        for instance in instances:
            instance.dispose()


def row(name: str, hours: int, costs: Sequence[Cost]) -> list[str]:
    """Medians of the turns, as a row of the table."""
    spent, *counted = (median(column) for column in zip(*(it.figures for it in costs), strict=True))
    return [f"{name}, {hours:,} hours", f"{spent:.3f} s", *(f"{count:g}" for count in counted)]


def ratio(few: Sequence[Cost], many: Sequence[Cost]) -> str:
    """The CPU beside many hours by that beside few, of each turn; their median."""
    turns = zip(few, many, strict=True)
    return f"{median(after.figures[0] / before.figures[0] for before, after in turns):.3f}"


def main() -> None:
    """Print the table."""
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        counters = Counters(Path(folder))
        with lakes(Path(folder), (FEW, options.many)) as (few, many):
            counters.install()
            for _ in range(options.turns):
                few.turn(counters)
                many.turn(counters)
    rows = [
        row("asked", FEW, few.asked),
        row("asked", options.many, many.asked),
        row("made", FEW, few.made),
        row("made", options.many, many.made),
    ]
    print(markdown(("work", *COLUMNS), rows))
    print(f"\nmade: median ratio of the turns' CPU {ratio(few.made, many.made)}")


if __name__ == "__main__":
    main()
