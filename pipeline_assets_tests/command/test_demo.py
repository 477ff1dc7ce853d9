"""What a newcomer sees first: the demo is green but for what was planted, and stops when told."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from pipeline_assets.command.cli import cli
from pipeline_assets.command.demo import SINCE, run_demo
from pipeline_assets.command.session import Session
from pipeline_assets.definitions import build_definitions
from pipeline_assets_tests.conftest import MakeSettings

TODAY = date(2026, 1, 16)
FIRST = date(2025, 12, 19)
PLANTED = {
    # The generators plant these on request; the reviews have them always, as the published files.
    *("ratings/reviews:review_id_is_unique", "ratings/reviews:customer_and_product_are_known"),
    "ratings/reviews:helpful_votes_within_total",
    *("rentals/movie_reviews:reviews_are_written_once", "taobao/raw_files:last_line_is_terminated"),
    *("taobao/impressions:conversion_implies_click", "taobao/impressions:every_index_is_known"),
    "taobao/core_features:num_features_equals_core_tokens",
    "taobao/common_features:num_features_equals_common_tokens",
    "taobao/encoded_impressions:conversion_implies_click",
    "activity/events:events_come_once",
    # Too few listeners for everyone to list an artist that five of them know.
    "music/user_embeddings:listeners_have_a_vector",
}


def failed_checks(instance: dg.DagsterInstance, definitions: dg.Definitions) -> dict[str, str]:
    """The checks whose last evaluation failed, and how severe that is."""
    keys = definitions.resolve_asset_graph().asset_check_keys
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    evaluations = {
        key.to_user_string(): record.event.dagster_event.asset_check_evaluation_data
        for key, record in found.items()
        if record.event and record.event.dagster_event
    }
    return {name: it.severity.value for name, it in evaluations.items() if not it.passed}


def test_after_the_demo_only_planted_faults_are_told_and_none_is_an_error(
    make_settings: MakeSettings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    settings = make_settings()
    run_demo(settings, scale=0.05, today=TODAY)
    out, err = capfd.readouterr()
    published = [line for line in err.splitlines() if line.startswith("published ")]
    assert "published taobao.raw_files[test]: 2 rows" in published
    days = f"[{FIRST} … 2026-01-15 (28)]"
    assert any(line.startswith(f"published rentals.user_purchases{days}: ") for line in published)
    assert re.search(r"activity\.stream_batches +2 rows in 000000001", out + err)
    assert (settings.dagster_home / SINCE).read_text() == f"{FIRST}\n"
    assert re.search(r"release demo of \d+ tables; a first batch of \d+ rows has [\d,]+ t", out)
    assert re.search(r"Of a hundred rows one was damaged: \d+ were caught", out)

    since = settings.model_copy(update={"rentals_start": FIRST})
    session = Session(since)
    failed = failed_checks(session.instance, build_definitions(since))
    # Whether a window is missing is asked of the clock, and these samples end in January.
    red = {name: severity for name, severity in failed.items() if "windows_complete" not in name}
    assert set(red) <= PLANTED
    assert set(red.values()) == {"WARN"}
    runs = session.instance.get_runs()
    assert {run.job_name for run in runs} == {
        *("update_split", "update_category", "update_snapshot", "update_insert_date"),
        *("update_hour", "update_day", "update_list", "update_month", "update_whole_tables"),
        "update_batch",
    }
    assert {run.tags["pipeline/command"] for run in runs} == {"update"}
    # The UI's timeline leaves out runs without a code location.
    assert all(run.remote_job_origin for run in runs)

    run_demo(settings, scale=0.05, today=TODAY)
    assert "Everything is up to date; nothing was run." in capfd.readouterr().out
    run_demo(settings, scale=0.05, today=TODAY + timedelta(days=1))
    told = capfd.readouterr().out.splitlines()
    (line,) = (line for line in told if "rentals.user_purchases" in line)
    assert line.endswith("rows in 2026-01-16")


def test_daily_samples_end_yesterday(tmp_path: Path) -> None:
    written = CliRunner().invoke(cli, ["sample", "--out", str(tmp_path), "--scale", "0.01"])
    assert written.exit_code == 0
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert max(path.name for path in (tmp_path / "movie_review").iterdir()) == str(yesterday)


def test_a_demo_that_is_told_to_stop_does_so_within_seconds_and_leaves_no_server(
    tmp_path: Path,
) -> None:
    places = {
        name: str(tmp_path / place)
        for name, place in {
            "DAGSTER_HOME": "home",
            "PIPELINE_LAKE_URI": "lake",
            "PIPELINE_LANDING_URI": "landing",
        }.items()
    }
    demo = subprocess.Popen(
        [sys.executable, "-m", "pipeline_assets.command.demo", "--scale", "0.2"],
        env={**os.environ, **places, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    pid_file = tmp_path / "home" / "postgres" / "postmaster.pid"
    assert demo.stderr
    # The first line tells of a published table: a run is going on.
    while not demo.stderr.readline().startswith("published "):
        assert demo.poll() is None
    server = int(pid_file.read_text().split()[0])
    began = time.monotonic()
    demo.send_signal(signal.SIGTERM)
    rest = demo.communicate(timeout=60)[1]
    assert time.monotonic() - began < 30
    assert demo.returncode == 130
    assert rest.strip().splitlines()[-1].startswith("error: stopped;")
    assert not pid_file.exists()
    # The server removes its file shortly before its process ends.
    while Path(f"/proc/{server}").exists() and time.monotonic() - began < 30:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
