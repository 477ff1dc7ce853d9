"""What an asset costs beside its data: fixed seconds, and peak memory at ten times the data.

    python -m benchmarks.taobao.scaling --scale 50

The fixed cost is that of whole assets on a sample of a few lines, where there is next to nothing to
compute: Dagster's run, staging, audit, commit and metadata. Peak memory is that of a process that
makes one asset, under a memory limit of 2 GiB.
"""

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness import Race, markdown
from benchmarks.taobao.transforms import TABLES, materialise, ours
from pipeline_assets.sample.taobao import write_taobao

TINY: Final = 0.01
FACTOR: Final = 10


def lake(folder: Path, scale: float) -> Path:
    """A folder with a landing zone of some scale, and what the tables are made from."""
    write_taobao(folder / "landing", scale=scale)
    materialise(folder, "raw_files", "rejected_rows", "common_features_summary", "impressions")
    return folder


def races(source: Path, scratch: Path, rounds: int) -> dict[str, Race]:
    """Every table made some times, each time in a new process."""
    return {
        table: Race(table, {"ours": partial(ours, table)}, rounds).run(source, scratch)
        for table in TABLES
    }


def main() -> None:
    """Make three lakes, make the tables in each, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=50, help="50 is 250,000 impressions")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    scales = (TINY, arguments.scale, arguments.scale * FACTOR)
    with TemporaryDirectory() as name:
        folders = [lake(Path(name) / str(scale), scale) for scale in scales]
        tiny, once, tenfold = (races(folder, Path(name), arguments.rounds) for folder in folders)
    rows = [
        [
            table,
            f"{tiny[table].seconds('ours', 'whole'):.2f}",
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
