"""Backfills by the real daemon: killed half-way, and over days of which some are broken."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.definitions import DATASETS
from pipeline_assets.orchestration.alerts.run_events import run_outcome
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.settings import Settings
from pipeline_assets_tests.domains.rentals.faults import FAULTS, day, text
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
MIXED, GOOD = 30, 23
IN_PROCESSES = "{module: pipeline_assets.orchestration.launcher, class: WatchingRunLauncher}"
IN_THE_DAEMON = """{
  module: dagster._core.launcher.sync_in_memory_run_launcher, class: SyncInMemoryRunLauncher}"""
STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Path:
    """An empty Dagster home."""
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text(INSTANCE)
    return tmp_path


def land(settings: Settings, key: str, content: bytes) -> None:
    folder = Path(settings.landing_uri) / "movie_review" / key
    folder.mkdir(parents=True)
    (folder / "movie_review.csv").write_bytes(content)


def backfill_outcome(client: Client, backfill: str) -> str | None:
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


def alerted(settings: Settings) -> Counter[str]:
    """The partitions of failed runs that people are alerted to."""
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        outcomes = [run_outcome(instance, run) for run in instance.get_runs(failed)]
    return Counter(it.partition for it in outcomes if it.is_reported)


@pytest.mark.daemon
def test_a_backfill_that_is_killed_half_way_computes_nothing_twice(
    home: Path, settings: Settings, closed_port: int
) -> None:
    assert home.is_dir()
    for key in DAYS:
        land(settings, key, f'cid,review_str\n1,"Good on {key}"\nx,"Bad"\n'.encode())
    with dagster_dev(settings, closed_port) as client:
        backfill = launch(client, "rentals", NAMES, DAYS)
        wait_for("the first publish", lambda: publishes(settings))
    half = publishes(settings)
    assert 0 < len(half) < len(DAYS) * len(NAMES)
    with dagster_dev(settings, closed_port) as client:
        wait_for("its end", lambda: backfill_outcome(client, backfill))
        again = launch(client, "rentals", NAMES, DAYS)
        assert wait_for("the end of the second", lambda: backfill_outcome(client, again)) == (
            "COMPLETED_SUCCESS"
        )
    everything = {(name, day) for name in NAMES for day in DAYS}
    assert publishes(settings) == Counter(dict.fromkeys(everything, 1))


@pytest.mark.daemon
def test_of_a_backfill_of_thirty_days_with_seven_faults_all_others_are_published(
    home: Path, settings: Settings, closed_port: int
) -> None:
    # Some thirty runs: a process for each would take longer to start than all of them together.
    (settings.dagster_home / "dagster.yaml").write_text(
        INSTANCE.replace(IN_PROCESSES, IN_THE_DAEMON)
    )
    assert home.is_dir()
    days = [day(number) for number in range(MIXED)]
    for number, key in enumerate(days):
        broken = FAULTS.get(number)
        land(settings, key, broken[0] if broken else text((1, f"review of day {number}", 5)))
    bad = [days[number] for number in FAULTS]
    with dagster_dev(settings, closed_port, "dividing") as client:
        launch(client, "rentals", NAMES, days)
        wait_for("all others", lambda: len(publishes(settings)) == GOOD * len(NAMES))
        wait_for("the names of all bad ones", lambda: alerted(settings).keys() == set(bad))
    everything = {(name, key) for name in NAMES for key in days if key not in bad}
    assert publishes(settings) == Counter(dict.fromkeys(everything, 1))
    assert alerted(settings) == Counter(bad), "each is named once"
