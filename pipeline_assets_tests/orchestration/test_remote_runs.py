"""Dagster runs with jobs on EMR: killed, terminated, taken over, tidied up, thirty days at once.

The double runs nothing here: its body says what a job would leave, an audited empty partition.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._utils.interrupts import capture_interrupts

from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.instance import open_instance
from pipeline_assets.orchestration.resources.remote import remote_runners
from pipeline_assets.orchestration.sensors.janitor_sensor import GRACE, janitor_sensor, sweep
from pipeline_assets.settings import Settings
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.rentals.world import World
from pipeline_assets_tests.doubles.emr import (
    KEYS,
    AwsDouble,
    Execution,
    aws_account,
    aws_server,
    fail,
    hang,
)
from pipeline_assets_tests.orchestration.dev import dagster_dev, launch
from pipeline_assets_tests.processes import CONTEXT
from pipeline_assets_tests.workbench import failures
from spark_resources.job import AuditResult, Manifest
from spark_resources.runners.service import Swept

DAY = "2026-02-01"
MONTH = [str(date(2026, 2, 1) + timedelta(days=n)) for n in range(30)]
REMOTE = "rejected_rows"
PATIENCE = 20
TERMINATE = """
mutation Terminate($run: String!) {
  terminateRun(runId: $run) { __typename ... on PythonError { message } }
}
"""


def leave_nothing(execution: Execution) -> int:
    """What the entry point leaves of a job whose inputs are empty."""
    job = execution.job()
    audits = tuple(AuditResult(name, 0) for name in job.audit.examples_sql)
    reports: dict[str, tuple[dict[str, Any], ...]] = dict.fromkeys(job.audit.report_sql, ())
    measures = {name: 0 for name in job.audit.aggregates if name.startswith("profile_")}
    execution.put_manifest(Manifest(job.token, 0, (), audits, reports, measures=measures))
    return 0


@dataclass
class Cloud:
    """A lake on S3 whose reviews are computed on a cluster that others share."""

    double: AwsDouble
    settings: Settings
    release: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        return open_instance(self.settings.dagster_home, Path.cwd())

    @property
    def world(self) -> World:
        return World(self.settings, self.instance)

    @property
    def runners(self) -> list[Swept]:
        return remote_runners(Deployment(self.settings).engines.routed)

    @property
    def states(self) -> list[str]:
        return list(self.double.states().values())

    @property
    def run_of_the_job(self) -> dg.DagsterRun:
        """The run that the only remote job is tagged with."""
        (execution,) = self.double.executions.values()
        run = self.instance.get_run_by_id(execution.job().labels["run"])
        assert run is not None
        return run

    def land(self, *days: str) -> None:
        for day in days:
            self.world.land(day, (1, "Fine.", 4))
        assert self.world.update("raw_movie_reviews") == ()

    def start(self, day: str) -> Any:  # noqa: ANN401 - a process
        process = CONTEXT.Process(target=make_remotely, args=(self.settings, day))
        process.start()
        wait_for(lambda: "RUNNING" in self.states)
        return process

    def published(self) -> int:
        lake = Deployment(self.settings).lake
        (table,) = (a.table for a in self.world.assets if a.table.name == REMOTE)
        return len(lake.records(table))


def make_remotely(settings: Settings, day: str) -> None:
    """A run in a process of its own, interrupted as Dagster interrupts runs."""
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    with capture_interrupts(), open_instance(settings.dagster_home, Path.cwd()) as instance:
        World(settings, instance).run(REMOTE, keys=[day])


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.05)


@pytest.fixture
def cloud(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["aws_secret_access_key"])
    with aws_server() as endpoint, aws_account(endpoint) as double:
        settings = make_settings(
            lake_uri="s3://lake/tables",
            s3_endpoint_url=endpoint,
            s3_region=KEYS["region_name"],
            emr_endpoint_url=endpoint,
            emr_cluster=double.start_cluster(),
            engine_overrides={f"rentals/{REMOTE}": "emr"},
            deployment_name="prod",
        )
        cloud = Cloud(double, settings)
        double.body = lambda execution: (
            leave_nothing(execution) if cloud.release.wait(PATIENCE) else 1
        )
        with cloud.instance:
            yield cloud


def test_a_run_takes_over_the_job_of_one_that_was_killed(cloud: Cloud) -> None:
    cloud.land(DAY)
    killed = cloud.start(DAY)
    killed.kill()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert cloud.states == ["RUNNING"]

    threading.Timer(1, cloud.release.set).start()
    taken_over = cloud.world.run(REMOTE, keys=[DAY])
    assert taken_over.success
    assert (cloud.states, cloud.published()) == (["COMPLETED"], 1)

    again = cloud.world.run(REMOTE, keys=[DAY])
    assert again.success
    assert cloud.states == ["COMPLETED", "COMPLETED"]


def test_a_run_that_is_terminated_cancels_its_job_within_seconds(cloud: Cloud) -> None:
    cloud.land(DAY)
    cloud.double.body = hang
    process = cloud.start(DAY)
    os.kill(process.pid, signal.SIGTERM)
    wait_for(lambda: cloud.states == ["CANCELLED"], seconds=15)
    wait_for(lambda: cloud.run_of_the_job.is_finished)
    process.kill()
    assert not cloud.run_of_the_job.is_success
    assert cloud.published() == 0


@pytest.mark.daemon
def test_terminating_a_run_on_its_page_cancels_its_job_within_seconds(
    cloud: Cloud, closed_port: int
) -> None:
    cloud.land(DAY)
    cloud.double.body = hang
    with dagster_dev(cloud.settings, closed_port) as client:
        launch(client, "rentals", [REMOTE], [DAY])
        wait_for(lambda: "RUNNING" in cloud.states, seconds=200)
        run_id = cloud.run_of_the_job.run_id
        answer = client(TERMINATE, {"run": run_id})
        assert answer["terminateRun"]["__typename"] == "TerminateRunSuccess", answer
        wait_for(lambda: cloud.states == ["CANCELLED"], seconds=15)
        wait_for(lambda: cloud.run_of_the_job.is_finished, seconds=30)
        assert cloud.run_of_the_job.status is dg.DagsterRunStatus.CANCELED
    assert cloud.states == ["CANCELLED"]
    assert cloud.published() == 0


def test_the_janitor_cancels_the_job_of_a_run_that_is_over(cloud: Cloud) -> None:
    cloud.land(DAY)
    cloud.double.body = hang
    killed = cloud.start(DAY)
    killed.kill()
    killed.join()
    now = datetime.now(UTC)
    assert sweep(cloud.runners, cloud.instance, now + 2 * GRACE, print) == []

    cloud.instance.report_run_failed(
        cloud.run_of_the_job, "as run monitoring says of a process that is gone"
    )
    tick = janitor_sensor(cloud.runners)(dg.build_sensor_context(cloud.instance))
    assert isinstance(tick, dg.SensorResult)
    # Somebody may take it over yet.
    assert tick.skip_reason == dg.SkipReason("cancelled nothing")

    assert len(sweep(cloud.runners, cloud.instance, now + 2 * GRACE, print)) == 1
    assert cloud.states == ["CANCELLED"]
    with dg.DagsterInstance.ephemeral() as stranger:
        assert sweep(cloud.runners, stranger, now + 2 * GRACE, print) == []


def test_thirty_days_are_one_job_and_one_commit_or_nothing(cloud: Cloud) -> None:
    cloud.land(*MONTH)
    cloud.double.body = fail
    failed = cloud.world.run(REMOTE, keys=MONTH)
    (told,) = failures(failed)
    assert "Division by zero" in told
    assert f"None of 30 partitions is published: {MONTH[0]} to {MONTH[-1]}" in told
    (event,) = (event for event in failed.all_events if event.is_step_failure)
    data = event.step_failure_data.user_failure_data
    assert data is not None
    assert data.metadata["still_to_be_made"].value == MONTH
    assert data.metadata["job/id"].value == " / ".join(
        [str(cloud.settings.emr_cluster), *cloud.double.states()]
    )
    assert cloud.published() == 0

    cloud.release.set()
    cloud.double.body = leave_nothing
    made = cloud.world.run(REMOTE, keys=MONTH)
    assert made.success
    assert (cloud.states, cloud.published()) == (["FAILED", "COMPLETED"], 30)
    lake = Deployment(cloud.settings).lake
    (table,) = (a.table for a in cloud.world.assets if a.table.name == REMOTE)
    iceberg = lake.load(table)
    assert iceberg is not None
    assert len(iceberg.snapshots()) == 1


def test_a_publication_tells_of_its_job(cloud: Cloud) -> None:
    cloud.land(DAY)
    cloud.release.set()
    assert cloud.world.run(REMOTE, keys=[DAY]).success
    key = dg.AssetKey(["rentals", REMOTE])
    event = cloud.instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    told = event.asset_materialization.metadata
    assert str(told["job/id"].value).startswith(f"{cloud.settings.emr_cluster} / s-")
    assert str(told["job/log"].value).startswith("s3://lake/logs/")
    assert str(told["job/console"].value).startswith("https://us-east-1.console.aws.amazon.com")
    assert float(str(told["job/duration_seconds"].value)) >= 0
    states = told["job/states"]
    assert isinstance(states, dg.TableMetadataValue)
    assert states.records[-1].data["state"] == "COMPLETED"
