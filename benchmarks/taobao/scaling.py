"""What an asset costs beside its data: fixed seconds, and peak memory at ten times the data.

    python -m benchmarks.taobao.scaling --scale 50

The fixed cost is that of whole assets on a sample of a few lines, where there is next to nothing to
compute: Dagster's run, staging, audit, commit and metadata. Peak memory is that of a process that
makes one large asset, under a memory limit of 2 GiB.
"""

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness import Race, markdown
from benchmarks.taobao.transforms import TABLES, ours, prepare

FACTOR: Final = 10


def races(source: Path, scratch: Path, rounds: int) -> dict[str, Race]:
    """Every table made some times, each time in a new process."""
    return {
        table: Race(table, {"ours": partial(ours, table)}, rounds).run(source, scratch)
        for table in TABLES
    }


def main() -> None:
    """Make two lakes, make the tables in each, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=50, help="50 is 250,000 impressions")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folders = [Path(name) / str(turns) for turns in (1, FACTOR)]
        for folder, turns in zip(folders, (1, FACTOR), strict=True):
            prepare(folder, arguments.scale * turns)
        once, tenfold = (races(folder, Path(name), arguments.rounds) for folder in folders)
    rows = [
        [
            table,
            f"{once[table].seconds('ours', 'fixed'):.2f}",
            f"{once[table].peak_mib('ours'):.0f}",
            f"{tenfold[table].peak_mib('ours'):.0f}",
            f"{tenfold[table].peak_mib('ours') / once[table].peak_mib('ours'):.2f}",
        ]
        for table in TABLES
    ]
    header = ["table", "fixed s", "peak MiB at 1 x", f"at {FACTOR} x", "ratio"]
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
