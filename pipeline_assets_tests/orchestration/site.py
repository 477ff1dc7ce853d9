"""Dagster's own daemon on a lake in S3, as tests drive it."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import dagster as dg

from pipeline_assets.iceberg.catalog import sqlite_uri
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 600
# Runs are executed by the daemon itself: a process for each would import everything again.
INSTANCE = """
telemetry: {enabled: false}
run_launcher:
  module: dagster._core.launcher.sync_in_memory_run_launcher
  class: SyncInMemoryRunLauncher
"""
LANDING = ("taobao", "amazon_reviews", "music", "movie_review")

Made: TypeAlias = Counter[tuple[str, str | None]]
"""How often each partition was made, by asset."""


@dataclass(frozen=True)
class Site:
    """A running daemon, its instance, and the landing zone that it watches."""

    instance: dg.DagsterInstance
    store: S3Store
    bucket: str
    process: subprocess.Popen[bytes]
    log: Path

    def put(self, path: str, data: bytes) -> None:
        """What a vendor does."""
        self.store.put(f"{self.bucket}/landing/{path}", data)

    def made(self) -> Made:
        """How often each partition was made, by asset."""
        return Counter(
            (str(event.asset_key and event.asset_key.to_user_string()), event.partition)
            for run in self.instance.get_runs()
            for entry in self.instance.all_logs(
                run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION
            )
            if (event := entry.get_dagster_event())
        )

    def failed(self) -> list[dg.DagsterRun]:
        """Runs that have failed, the latest first."""
        return [run for run in self.instance.get_runs() if run.is_failure]

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Until it is so; the daemon must live."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.said()
            if is_so():
                return
            time.sleep(0.5)
        raise AssertionError(f"not in time: {self.made()}\n{self.said()}")

    def wait(self, until: Callable[[Made], bool], failures: int = 0) -> None:
        """Until it is so and every run has ended, so many of them badly at most."""

        def is_so() -> bool:
            assert len(self.failed()) <= failures, self.said()
            return all(run.is_finished for run in self.instance.get_runs()) and until(self.made())

        self.wait_for(is_so)

    def said(self) -> str:
        """The end of the daemon's log."""
        return self.log.read_text()[-3000:]

    def ticks(self, sensor: str) -> int:
        """How often a sensor has looked."""
        states = self.instance.all_instigator_state()
        (state,) = (state for state in states if state.instigator_name == sensor)
        return len(self.instance.get_ticks(state.instigator_origin_id, state.selector_id))

    def wait_for_ticks(self, more: int = 2, failures: int = 0) -> None:
        """Until every sensor has looked again, and what it started has ended."""
        names = ["automation", "retries", *(f"landing_{name}" for name in LANDING)]
        before = {name: self.ticks(name) for name in names}
        self.wait(
            lambda _: all(self.ticks(name) >= before[name] + more for name in names), failures
        )


@contextmanager
def running(site_home: Path, bucket: str, access: S3Access, **settings: str) -> Iterator[Site]:
    """A daemon on a lake and a landing zone in a bucket.

    Args:
        site_home: Of Dagster.
        bucket: Holds both.
        access: How the test reaches it.
        settings: Other environment variables of the daemon.
    """
    site_home.mkdir()
    (site_home / "dagster.yaml").write_text(INSTANCE)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(site_home),
        "PIPELINE_LAKE_URI": f"{bucket}/lake",
        "PIPELINE_CATALOG_URI": sqlite_uri(site_home / "catalog.db"),
        "PIPELINE_LANDING_URI": f"{bucket}/landing",
        "PIPELINE_S3_ENDPOINT_URL": access.endpoint_url or "",
        "PIPELINE_S3_REGION": access.region or "",
        "PIPELINE_SENSOR_SECONDS": "1",
        "PIPELINE_LANDING_SETTLE_SECONDS": "2",
        "PIPELINE_ISOLATED_STEPS": "false",
        "PIPELINE_THREADS": "1",
        **settings,
    }
    log = site_home / "daemon.log"
    with dg.DagsterInstance.from_config(str(site_home)) as instance, log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", "workspace.yaml"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            site = Site(instance, S3Store(access), bucket, process, log)
            site.put(".here", b"")
            site.wait(lambda _: len(instance.all_instigator_state()) >= len(LANDING))
            yield site
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
