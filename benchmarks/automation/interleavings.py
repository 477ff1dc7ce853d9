"""How many histories of a landing zone were tried, and what was missed or made twice.

    python -m benchmarks.automation.interleavings --histories 2000

Each history is a seed of the simulation that the tests use: forty happenings to a landing zone, a
lake and Dagster, then quiet. It is played to the sensor that lists and to the one that is told by
events.
"""

import argparse
import logging
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import dagster as dg

from benchmarks.harness import markdown
from pipeline_assets_tests.orchestration.sensors.simulation import simulated

STEPS = 40
HEADER = ("sensor", "histories", "happenings", "runs", "retries", "missed", "made twice", "left")


def played(seed: int, *, by_events: bool) -> Counter[str]:
    """One history: what it came to."""
    logging.disable(logging.CRITICAL)
    with dg.DagsterInstance.ephemeral() as instance:
        world = simulated(random.Random(seed), instance, by_events=by_events, steps=STEPS)
    left = len(world.queue) if by_events else 0
    return Counter(
        runs=len(world.started),
        retries=sum(run.number > 0 for run in world.started.values()),
        missed=len(world.missed),
        repeats=world.repeats,
        left=left,
    )


def main() -> None:
    """Play them all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=500)
    count = parser.parse_args().histories
    rows = []
    with ProcessPoolExecutor() as pool:
        for by_events, name in ((False, "lists"), (True, "is told by events")):
            found = pool.map(partial(played, by_events=by_events), range(count), chunksize=10)
            total = sum(found, Counter())
            sums = (total[what] for what in ("runs", "retries", "missed", "repeats", "left"))
            rows.append([name, f"{count:,}", f"{count * STEPS:,}", *(f"{it:,}" for it in sums)])
    print(markdown(HEADER, rows))


if __name__ == "__main__":
    main()
