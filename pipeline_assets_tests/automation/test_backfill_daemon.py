"""A backfill of sixty days, by the real daemon: killed half-way, it makes only the rest."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_assets.definitions import ASSETS
from pipeline_assets.deployment import Deployment
from pipeline_assets.settings import Settings

ROOT = Path(__file__).parents[2]
DAYS = [(date(2026, 1, 1) + timedelta(days=day)).isoformat() for day in range(60)]
NAMES = ("raw_movie_reviews", "rejected_rows", "movie_reviews")
TABLES = [asset.table for asset in ASSETS if asset.name in {f"rentals/{name}" for name in NAMES}]
PATIENCE_SECONDS = 300
INSTANCE = """
telemetry: {enabled: false}
run_launcher: {module: pipeline_assets.automation.launcher, class: WatchingRunLauncher}
run_monitoring: {enabled: true, poll_interval_seconds: 2, start_timeout_seconds: 60}
run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}
concurrency: {runs: {max_concurrent_runs: 1}}
"""
LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
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


@contextmanager
def dagster_dev(settings: Settings, port: int) -> Iterator[Callable[[str, Any], Any]]:
    """Webserver, daemon and code server; hands out a GraphQL client and is killed afterwards."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(settings.dagster_home),
        "PYTHONPATH": str(ROOT),
        "DAGSTER_HOME": str(settings.dagster_home),
        "PIPELINE_LAKE_URI": settings.lake_uri,
        "PIPELINE_LANDING_URI": settings.landing_uri,
        "PIPELINE_THREADS": "1",
    }
    module = "pipeline_assets_tests.automation.backfilled"
    command = [sys.executable, "-m", "dagster", "dev", "-m", module, "-p", str(port)]
    process = subprocess.Popen(
        command,
        cwd=settings.dagster_home,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield lambda query, variables: ask(port, query, variables)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(port: int, query: str, variables: Any) -> Any:  # noqa: ANN401 - JSON
    """Answers None as long as nobody listens."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def wait_for(what: str, is_so: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it waits for
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := is_so():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} never came")


def launch(client: Callable[[str, Any], Any]) -> str:
    params = {
        "assetSelection": [{"path": ["rentals", name]} for name in NAMES],
        "partitionNames": DAYS,
    }
    answer = wait_for("the webserver", lambda: client(LAUNCH, {"params": params}))
    assert "backfillId" in answer["launchPartitionBackfill"], answer
    return str(answer["launchPartitionBackfill"]["backfillId"])


def finished(client: Callable[[str, Any], Any], backfill: str) -> str | None:
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
        backfill = launch(client)
        wait_for("the first publish", lambda: publishes(settings))
    half = publishes(settings)
    assert 0 < len(half) < len(DAYS) * len(NAMES)
    with dagster_dev(settings, closed_port) as client:
        wait_for("its end", lambda: finished(client, backfill))
        again = launch(client)
        assert wait_for("the end of the second", lambda: finished(client, again)) == (
            "COMPLETED_SUCCESS"
        )
    everything = {(name, day) for name in NAMES for day in DAYS}
    assert publishes(settings) == Counter(dict.fromkeys(everything, 1))
