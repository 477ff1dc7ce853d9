"""What making an hour of events again costs beside few hours and beside many.

    python -m benchmarks.activity.hours [--many 1000]

CPU seconds of the run that a late object of one event asks for: three tables, checks and commits.
The two lakes take turns.
"""

import argparse
import json
import logging
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import dagster as dg

from benchmarks.harness import markdown
from pipeline_assets.command.batches import batches
from pipeline_assets.settings import Settings
from pipeline_assets_tests.domains.activity.world import World, event

FEW = 10
HOURLY = ("raw_events", "rejected_rows", "events")
BEGIN = datetime(2026, 1, 1)


def filled(folder: Path, hours: int, instance: dg.DagsterInstance) -> World:
    """A lake with so many hours of one event each."""
    settings = Settings(
        lake_uri=str(folder / "lake"), landing_uri=str(folder / "landing"),
        dagster_home=folder / "home", threads=2,
    )  # fmt: skip
    world = World(settings, instance)
    for number in range(hours):
        land(world, number, "first")
    run(world)
    return world


def land(world: World, hour: int, name: str) -> None:
    """Land one event in an hour."""
    key = f"{BEGIN + timedelta(hours=hour):%Y-%m-%dT%H}"
    path = Path(world.settings.landing_uri, "activity", key, f"{name}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    found = event(0, f"{key}:00:00Z", event_id=f"{key}-{name}")
    path.write_text(json.dumps(found) + "\n")


def run(world: World) -> float:
    """Make what is stale of the hourly tables; the CPU seconds of the runs alone."""
    updater = world.updater
    listings = updater.listings()
    updater.register(listings)
    found = updater.stale(listings, updater.outside())
    stale = [item for item in found if item.asset.table.name in HOURLY]
    begin = process_time()
    failures = [line for each in updater.run(batches(stale)) for line in each.failures]
    assert failures == []
    return process_time() - begin


def main() -> None:
    """Print the table."""
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    counts = (FEW, options.many)
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        worlds = {count: filled(Path(folder, str(count)), count, instance) for count in counts}
        spent: dict[int, list[float]] = {count: [] for count in counts}
        for turn in range(options.turns):
            for count, world in worlds.items():
                land(world, turn % FEW, f"late-{turn}")
                spent[count].append(run(world))
    ratios = [many / few for few, many in zip(spent[FEW], spent[options.many], strict=True)]
    rows = [[f"{count:,}", f"{median(times):.3f} s"] for count, times in spent.items()]
    print(markdown(("hours there", "CPU of a run"), rows))
    print(f"\nmedian ratio of the turns: {median(ratios):.3f}")


if __name__ == "__main__":
    main()
