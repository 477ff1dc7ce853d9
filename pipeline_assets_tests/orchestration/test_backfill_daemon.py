"""A backfill of sixty days, by the real daemon: killed half-way, it makes only the rest."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline_assets.definitions import DATASETS
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.settings import Settings
from pipeline_assets_tests.orchestration.dev import Client, dagster_dev, launch, wait_for

ASSETS = DATASETS.assets

DAYS = [(date(2026, 1, 1) + timedelta(days=day)).isoformat() for day in range(60)]
NAMES = ("raw_movie_reviews", "rejected_rows", "movie_reviews")
TABLES = [asset.table for asset in ASSETS if asset.name in {f"rentals/{name}" for name in NAMES}]
INSTANCE = """
telemetry: {enabled: false}
run_launcher: {module: pipeline_assets.orchestration.launcher, class: WatchingRunLauncher}
run_monitoring: {enabled: true, poll_interval_seconds: 2, start_timeout_seconds: 60}
run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}
concurrency: {runs: {max_concurrent_runs: 1}}
"""
STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Path:
    """A Dagster home, and sixty days of reviews."""
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text(INSTANCE)
    for day in DAYS:
        folder = Path(settings.landing_uri) / "movie_review" / day
        folder.mkdir(parents=True)
        (folder / "movie_review.csv").write_text(f'cid,review_str\n1,"Good on {day}"\nx,"Bad"\n')
    return tmp_path


def run_outcome(client: Client, backfill: str) -> str | None:
    answer = client(STATUS, {"id": backfill})
    status = answer and answer["partitionBackfillOrError"].get("status")
    return status if status in {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED"} else None


def publishes(settings: Settings) -> Counter[tuple[str, str]]:
    """How often each partition of each table was published."""
    lake = Deployment(settings).lake
    return Counter(
        (table.name, key)
        for table in TABLES
        for entry in lake.history(table)
        for key in entry.records
    )


@pytest.mark.daemon
def test_a_backfill_that_is_killed_half_way_computes_nothing_twice(
    home: Path, settings: Settings, closed_port: int
) -> None:
    assert home.is_dir()
    with dagster_dev(settings, closed_port) as client:
        backfill = launch(client, "rentals", NAMES, DAYS)
        wait_for("the first publish", lambda: publishes(settings))
    half = publishes(settings)
    assert 0 < len(half) < len(DAYS) * len(NAMES)
    with dagster_dev(settings, closed_port) as client:
        wait_for("its end", lambda: run_outcome(client, backfill))
        again = launch(client, "rentals", NAMES, DAYS)
        assert wait_for("the end of the second", lambda: run_outcome(client, again)) == (
            "COMPLETED_SUCCESS"
        )
    everything = {(name, day) for name in NAMES for day in DAYS}
    assert publishes(settings) == Counter(dict.fromkeys(everything, 1))
