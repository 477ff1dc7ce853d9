"""Run every benchmark at a size that takes some minutes: ``make bench``.

With ``--quick`` those whose figures can be had quickly run at sizes that take two cores five
minutes together: ``make bench-quick``. Their ratios are noisier than those of the whole.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

ALL: Final = (
    "installation",
    "startup",
    "steps",
    "events",
    "age",
    "partitions",
    "taobao.extraction",
    "taobao.transforms",
    "taobao.scaling",
    "ratings.ingest",
    "ratings.filter",
    "music.rankings",
    "music.embeddings",
    "rentals.postgres",
    "rentals.sentiment",
    "rentals.metric",
    "activity.schedules",
    "activity.throughput",
    "activity.hours",
    "spark.transforms",
    "training.reader",
    "training.encoding",
    "serving",
    "automation.listing",
    "automation.interleavings",
    "scale.simulation",
)
QUICK: Final[Mapping[str, Sequence[str]]] = {
    "startup": ("--rounds", "1"),
    "age": ("--partitions", "110"),
    "partitions": ("--days", "73", "--hours"),
    "taobao.extraction": ("--megabytes", "50", "--rounds", "2"),
    "taobao.transforms": ("--scale", "100", "--rounds", "1"),
    "ratings.filter": ("--scale", "25", "--rounds", "1"),
    "music.rankings": ("--scale", "25", "--rounds", "2"),
    "scale.simulation": (),
}


def main() -> None:
    """One after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    chosen = QUICK if parser.parse_args().quick else dict.fromkeys(ALL, ())
    for name, options in chosen.items():
        print(f"\n## {name}\n", flush=True)
        command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", *options]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
