"""Vocabulary and encoded tables of simulated logs: seconds, peak memory and bytes on disk.

    python -m benchmarks.training.encoding --share 0.1

A share of 1 has as many impressions and users as the real train split of Ali-CCP, 42.3 million and
730,000; it needs some 30 GB of disk. Every table is made in a process of its own, whole: with
audit, checks and commit. The memory limit is that of the settings.
"""

import argparse
import os
import resource
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import dagster as dg

from benchmarks.harness import Race, markdown
from benchmarks.taobao.transforms import QUIET, definitions
from pipeline_assets.sample.taobao import write_taobao

REAL_SCALE: Final = 8_460
"""Of the sample, whose scale 1 has 5,000 impressions."""
SPLIT: Final = "train"
BEFORE: Final = (
    *("raw_files", "rejected_rows", "common_features_summary"),
    *("impressions", "core_features", "common_features"),
)
TABLES: Final = (
    *("user_groups", "token_counts", "vocabulary"),
    *("encoded_users", "encoded_impressions"),
)


def materialise(table: str, folder: Path) -> dict[str, float]:
    """Make a table; seconds on the clock and of CPU."""
    job = definitions(folder).resolve_implicit_global_asset_job_def()
    started, used = time.perf_counter(), _cpu()
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(
            partition_key=None if table == "vocabulary" else SPLIT,
            asset_selection=[dg.AssetKey(["taobao", table])],
            run_config=QUIET,
            instance=instance,
        )
    return {"seconds": time.perf_counter() - started, "cpu": _cpu() - used}


def contender(table: str, source: Path, _target: Path) -> dict[str, float]:
    """The same in the form that races ask for."""
    return materialise(table, source)


def megabytes(folder: Path) -> float:
    """What lies in a folder."""
    return sum(it.stat().st_size for it in folder.rglob("*") if it.is_file()) / 1e6


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def row(table: str, folder: Path) -> list[str]:
    """A table's figures, made now."""
    race = Race(table, {table: partial(contender, table)}, rounds=1)
    race.run(folder, folder)
    size = megabytes(folder / "lake" / "taobao" / table)
    return [
        table,
        f"{race.seconds(table):.1f}",
        f"{race.seconds(table, 'cpu'):.1f}",
        f"{race.peak_mib(table):,.0f}",
        f"{size:,.0f}",
    ]


def main() -> None:
    """Write the logs, make the tables one after the other, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.1, help="of the real train split")
    parser.add_argument("--folder", type=Path, help="where the lake lies; by default a new one")
    arguments = parser.parse_args()
    with TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_taobao(folder / "landing", scale=arguments.share * REAL_SCALE)
        for table in BEFORE:
            materialise(table, folder)
        text = megabytes(folder / "lake" / "taobao" / "raw_files")
        print(f"{os.cpu_count()} cores, text of {text:,.0f} MB\n", flush=True)
        rows = [row(table, folder) for table in TABLES]
    print(markdown(["table", "s on the clock", "CPU s", "peak MiB", "MB on disk"], rows))


if __name__ == "__main__":
    main()
