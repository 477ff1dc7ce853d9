"""Each Taobao table beside what one would write by hand in Polars and in DuckDB.

    python -m benchmarks.taobao.transforms --scale 200

``transform`` is what ours spends on executing and writing, ``whole asset`` also has its audit, the
Iceberg commit, Dagster and all metadata, in a process that has made a tiny asset before: ``update``
makes all of them in one. The row-by-row approach of notebooks is there for reference, on a part of
the data.
"""

import argparse
import time
import warnings
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import dagster as dg

from benchmarks.harness import Race, markdown
from benchmarks.taobao import peers
from pipeline_assets.definitions import build_definitions
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.settings import Settings

TABLES: Final = ("impressions", "core_features", "common_features")
RIVALS: Final = ("Polars", "DuckDB")
ROW_BY_ROW_LINES: Final = 20_000
TINY: Final = "tiny"
TINY_SCALE: Final = 0.01
QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def definitions(folder: Path) -> dg.Definitions:
    """The code location over a folder's lake and landing zone."""
    warnings.simplefilter("ignore")
    settings = Settings(lake_uri=str(folder / "lake"), landing_uri=str(folder / "landing"))
    return build_definitions(settings)


def materialise(folder: Path, *names: str) -> dg.ExecuteInProcessResult:
    """Make tables of the train split."""
    keys = [dg.AssetKey(["taobao", name]) for name in names]
    job = definitions(folder).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(partition_key="train", asset_selection=keys, run_config=QUIET)


def prepare(folder: Path, scale: float) -> None:
    """A landing zone of some scale, what the tables are made from, and the same very small."""
    for place, size in ((folder, scale), (folder / TINY, TINY_SCALE)):
        write_taobao(place / "landing", scale=size)
        materialise(place, "raw_files", "rejected_rows", "common_features_summary", "impressions")


def ours(table: str, source: Path, _target: Path) -> dict[str, float]:
    """A table as the project makes it, after the same table of a few lines, made twice."""
    _timed(source / TINY, table)
    fixed = _timed(source / TINY, table)
    return {**_timed(source, table), "fixed": fixed["whole"]}


def _timed(folder: Path, table: str) -> dict[str, float]:
    """Seconds to execute and write a table, and to make the whole asset."""
    job = definitions(folder).resolve_implicit_global_asset_job_def()
    key = dg.AssetKey(["taobao", table])
    with dg.DagsterInstance.ephemeral() as instance:
        started = time.perf_counter()
        result = job.execute_in_process(
            partition_key="train", asset_selection=[key], run_config=QUIET, instance=instance
        )
        whole = time.perf_counter() - started
    (event,) = result.asset_materializations_for_node(f"taobao__{table}")
    return {"seconds": float(str(event.metadata["seconds/write"].value)), "whole": whole}


def races(rounds: int) -> list[Race]:
    """One for each table."""
    return [
        Race(
            table,
            {
                "ours": partial(ours, table),
                "Polars": getattr(peers, f"polars_{table}"),
                "DuckDB": getattr(peers, f"duckdb_{table}"),
            },
            rounds,
        )
        for table in TABLES
    ]


def row_by_row(source: Path) -> float:
    """Lines a second of the loop that notebooks use: a list of dicts, then a pandas frame."""
    import pandas as pd  # noqa: PLC0415 - only this contender needs it

    (first, *_) = sorted(source.glob("lake/**/raw/train/*-sample_skeleton_train.csv"))
    lines = first.read_text().splitlines()[:ROW_BY_ROW_LINES]
    started = time.perf_counter()
    rows: list[dict[str, Any]] = []
    for line in lines:
        fields = line.split(",")
        for token in filter(None, fields[5].split("\x01")):
            name, rest = token.split("\x02")
            feature, value = rest.split("\x03")
            rows.append(
                {
                    "sample_id": int(fields[0]),
                    "feature_name": name,
                    "feature_id": int(feature),
                    "feature_value": float(value),
                }
            )
    pd.DataFrame(rows).to_parquet(source / "rows.parquet")
    return len(lines) / (time.perf_counter() - started)


def report(race: Race) -> list[list[str]]:
    """Rows of the table: seconds, ratio to the best peer, peak memory."""
    whole = f"{race.seconds('ours', 'whole'):.2f}"
    lines = [
        [
            race.title,
            "ours, transform",
            f"{race.seconds('ours'):.2f}",
            f"{race.ratio('ours', RIVALS):.2f}",
            "",
        ],
        [
            race.title,
            "ours, whole asset",
            whole,
            f"{race.ratio('ours', RIVALS, 'whole'):.2f}",
            f"{race.peak_mib('ours'):.0f}",
        ],
    ]
    for name in RIVALS:
        lines.append(
            [
                race.title,
                name,
                f"{race.seconds(name):.2f}",
                f"{race.ratio(name, RIVALS):.2f}",
                f"{race.peak_mib(name):.0f}",
            ]
        )
    return lines


def main() -> None:
    """Make the data, run the races, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=200, help="200 is 1 M impressions")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, arguments.scale)
        rows = [row for race in races(arguments.rounds) for row in report(race.run(folder, folder))]
        print(markdown(["table", "contender", "seconds", "x best peer", "peak MiB"], rows))
        print(f"\nRow by row with pandas: {row_by_row(folder):,.0f} lines a second.")


if __name__ == "__main__":
    main()
