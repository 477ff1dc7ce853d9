"""Both rankings beside what one would write by hand in Polars and in DuckDB.

    python -m benchmarks.music.rankings --scale 100

``transform`` is what ours spends on executing and writing, ``whole asset`` also has its audit, the
Iceberg commit, Dagster and all metadata. All read the same two tables, made once before.
"""

import argparse
import shutil
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import dagster as dg
import duckdb

from benchmarks.harness import Race, markdown
from benchmarks.music import peers
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains import music
from pipeline_assets.sample.music import write_music
from pipeline_assets.settings import Settings

ASSETS = datasets_in(music).assets

TABLES: Final = ("artist_rank_in_country", "country_rank_per_artist")
INPUTS: Final = ("raw_users", "raw_user_top_artists", "users", "user_top_artists")
RIVALS: Final = ("Polars", "DuckDB")
DAY: Final = "2026-01-01"
QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def materialise(folder: Path, *names: str) -> tuple[dg.ExecuteInProcessResult, float]:
    """Make tables of the snapshot in a folder's lake, and tell how many seconds it took."""
    warnings.simplefilter("ignore")
    settings = Settings(lake_uri=str(folder / "lake"), landing_uri=str(folder / "landing"))
    definitions = build_definitions(settings, assets=ASSETS)
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("snapshot", [DAY])
        started = time.perf_counter()
        result = job.execute_in_process(
            partition_key=DAY,
            asset_selection=[dg.AssetKey(["music", name]) for name in names],
            run_config=QUIET,
            instance=instance,
        )
    return result, time.perf_counter() - started


def _ours(table: str, source: Path) -> dict[str, float]:
    result, whole = materialise(source, table)
    (event,) = result.asset_materializations_for_node(f"music__{table}")
    return {"seconds": float(str(event.metadata["seconds/write"].value)), "whole": whole}


def ours_artist_rank_in_country(source: Path, _target: Path) -> dict[str, float]:
    """Artists by country as the project makes them."""
    return _ours("artist_rank_in_country", source)


def ours_country_rank_per_artist(source: Path, _target: Path) -> dict[str, float]:
    """Countries by artist as the project makes them."""
    return _ours("country_rank_per_artist", source)


def races(rounds: int) -> list[Race]:
    """One for each ranking."""
    return [
        Race(
            "artist_rank_in_country",
            {
                "ours": ours_artist_rank_in_country,
                "Polars": peers.polars_artist_rank_in_country,
                "DuckDB": peers.duckdb_artist_rank_in_country,
            },
            rounds,
        ),
        Race(
            "country_rank_per_artist",
            {
                "ours": ours_country_rank_per_artist,
                "Polars": peers.polars_country_rank_per_artist,
                "DuckDB": peers.duckdb_country_rank_per_artist,
            },
            rounds,
        ),
    ]


def report(race: Race) -> list[list[str]]:
    """Rows of the table: seconds, ratio to the best peer, peak memory."""
    whole = f"{race.seconds('ours', 'whole'):.2f}", f"{race.ratio('ours', RIVALS, 'whole'):.2f}"
    rows = [[race.title, "ours, whole asset", *whole, f"{race.peak_mib('ours'):.0f}"]]
    for name, label in {"ours": "ours, transform", **{name: name for name in RIVALS}}.items():
        peak = "" if name == "ours" else f"{race.peak_mib(name):.0f}"
        ratio = f"{race.ratio(name, RIVALS):.2f}"
        rows.append([race.title, label, f"{race.seconds(name):.2f}", ratio, peak])
    return rows


def disagreements(folder: Path, table: str) -> int:
    """Rows that not all contenders make alike."""
    for rival in RIVALS:
        (folder / rival).mkdir()
        getattr(peers, f"{rival.lower()}_{table}")(folder, folder / rival)
    columns = "country, artist_name, total_playcount, rank"
    made = f"SELECT {columns} FROM read_parquet({peers.files(folder, table)})"
    count = 0
    for rival in RIVALS:
        theirs = f"SELECT {columns} FROM '{folder / rival}/**/*.parquet'"
        for first, second in ((made, theirs), (theirs, made)):
            differing = f"SELECT count(*) FROM (({first}) EXCEPT ({second}))"
            count += int((duckdb.sql(differing).fetchone() or (0,))[0])
        shutil.rmtree(folder / rival)
    return count


def main() -> None:
    """Make the data, run the races, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=100, help="100 is 50,000 listeners")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_music(folder / "landing", scale=arguments.scale)
        materialise(folder, *INPUTS)
        rows = [row for race in races(arguments.rounds) for row in report(race.run(folder, folder))]
        print(markdown(["table", "contender", "seconds", "x best peer", "peak MiB"], rows))
        print(f"\nRows not made alike: {sum(disagreements(folder, table) for table in TABLES)}.")


if __name__ == "__main__":
    main()
