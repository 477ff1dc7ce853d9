"""How many schedules of mishaps a stream was read through, and what was missing or there twice.

    python -m benchmarks.activity.schedules --schedules 1000

Each schedule is a seed of the simulation that the tests use: thirty happenings, then quiet.
"""

import argparse
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import ibis

from benchmarks.harness import markdown
from pipeline_assets_tests.streams.simulation import HAPPENINGS, played

STEPS = 30
NAMES, WEIGHTS = zip(*HAPPENINGS, strict=True)


def outcome(seed: int) -> Counter[str]:
    """One schedule: how often what happened, and whether all was well."""
    happenings = random.Random(seed).choices(NAMES, WEIGHTS, k=STEPS)
    try:
        return played(happenings, seed, ibis.duckdb.connect(threads=1)).counts
    except AssertionError as error:
        return Counter({f"violated: {error}": 1})


def main() -> None:
    """Play them all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=200)
    count = parser.parse_args().schedules
    with ProcessPoolExecutor() as pool:
        total = sum(pool.map(outcome, range(count), chunksize=10), Counter())
    violated = sum(number for name, number in total.items() if name.startswith("violated"))
    rows = [[name, f"{number:,}"] for name, number in sorted(total.items())]
    print(markdown(("", "times"), [*rows, ["**schedules**", f"{count:,}"]]))
    print(f"\nviolations: {violated:,}")


if __name__ == "__main__":
    main()
