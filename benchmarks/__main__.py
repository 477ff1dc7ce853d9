"""Run every benchmark at a size that takes some minutes: ``make bench``."""

import subprocess
import sys
from typing import Final

ALL: Final = (
    "startup",
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
    "spark.transforms",
    "serving",
    "automation.listing",
    "automation.interleavings",
)


def main() -> None:
    """One after the other, each in a process of its own."""
    for name in ALL:
        print(f"\n## {name}\n", flush=True)
        subprocess.run([sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
