"""What a publish costs as a table grows: one new partition of one row after the other.

    python -m benchmarks.age --partitions 2000 [--before ../an-older-checkout]

CPU seconds of the publish alone, as the mean of twenty in a row. With `--before`, the code of
another checkout does the same in a process of its own.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

from benchmarks.harness import markdown
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, record, written

POINTS: Final = (20, 110, 410, 810, 1510, 2010, 5010, 10_010)
MEAN_OF: Final = 20
HEADER: Final = ("publish", "CPU", "metadata", "properties", "files in all", "planning a day")


def ages(folder: Path, partitions: int) -> Iterator[Sequence[str]]:
    """A row of the table at some ages."""
    lake, spent = local_lake(folder), list[float]()
    for number in range(1, partitions + 1):
        day = f"day-{number:05d}"
        files = list(written(lake, {day: {"ada": number}}))
        begin = process_time()
        lake.publish(PLAYS, files, {day: record()})
        spent.append(process_time() - begin)
        if number in {*POINTS, partitions}:
            iceberg = lake.load(PLAYS)
            assert iceberg is not None
            begin = process_time()
            lake.read(PLAYS, [f"day-{number // 2:05d}"])
            planned = process_time() - begin
            recent = spent[-MEAN_OF:]
            yield (
                f"{number:,}",
                f"{sum(recent) / len(recent) * 1000:.0f} ms",
                f"{Path(iceberg.metadata_location).stat().st_size / 1000:.0f} kB",
                str(len(iceberg.properties)),
                f"{size(folder) / 1e6:.1f} MB",
                f"{planned * 1000:.0f} ms",
            )


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Print the table, of both checkouts if asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partitions", type=int, default=410)
    parser.add_argument("--before", type=Path)
    options = parser.parse_args()
    if options.before:
        print("Before:\n", flush=True)
        command = [sys.executable, __file__, "--partitions", str(options.partitions)]
        code = {**os.environ, "PYTHONPATH": str(options.before)}
        subprocess.run(command, env=code, cwd=options.before, check=True)
        print("\nAfter:\n", flush=True)
    with TemporaryDirectory() as folder:
        print(markdown(HEADER, list(ages(Path(folder), options.partitions))))


if __name__ == "__main__":
    main()
