"""Dagster's own daemon on a lake in S3: what is delivered becomes tables, without a click, once."""

import gzip
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

import dagster as dg
import pytest

from pipeline_assets.lake.storage import S3Store
from pipeline_assets.s3 import S3Access
from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.taobao import write_taobao

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 900
# Runs are executed by the daemon itself: a process for each would import everything again.
INSTANCE = """
telemetry: {enabled: false}
run_launcher:
  module: dagster._core.launcher.sync_in_memory_run_launcher
  class: SyncInMemoryRunLauncher
"""
DAY = "2025-12-04"
SCORED = [(word, score) for score, word in ((1, "dull"), (3, "passable"), (5, "lovely"))]
MADE = {
    "Gift_Card": "ratings",
    "train": "taobao",
    "2026-01-01": "music",
    DAY: "rentals",
}

Made = Counter[tuple[str, str | None]]


@dataclass(frozen=True)
class Site:
    """A running daemon, its instance, and the landing zone that it watches."""

    instance: dg.DagsterInstance
    store: S3Store
    bucket: str
    process: subprocess.Popen[bytes]
    log: Path

    def put(self, path: str, data: bytes) -> None:
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

    def wait(self, until: Callable[[Made], bool]) -> Made:
        """Until it is so and every run has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            runs = self.instance.get_runs()
            failed = [run for run in runs if run.is_failure]
            assert not failed, self.log.read_text()[-3000:]
            if all(run.is_finished for run in runs) and until(made := self.made()):
                return made
            time.sleep(0.5)
        raise AssertionError(f"not in time: {self.made()}\n{self.log.read_text()[-3000:]}")

    def ticks(self, sensor: str) -> int:
        states = self.instance.all_instigator_state()
        (state,) = (state for state in states if state.instigator_name == sensor)
        return len(self.instance.get_ticks(state.instigator_origin_id, state.selector_id))

    def wait_for_ticks(self, more: int = 2) -> None:
        """Until every sensor has looked again."""
        names = ["automation", *(f"landing_{name}" for name in LANDING)]
        before = {name: self.ticks(name) for name in names}
        self.wait(lambda _: all(self.ticks(name) >= before[name] + more for name in names))


LANDING = ("taobao", "amazon_reviews", "music", "movie_review")


@contextmanager
def running(site_home: Path, bucket: str, access: S3Access) -> Iterator[Site]:
    """A daemon on a lake and a landing zone in a bucket."""
    site_home.mkdir()
    (site_home / "dagster.yaml").write_text(INSTANCE)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(site_home),
        "PIPELINE_LAKE_URI": f"{bucket}/lake",
        "PIPELINE_LANDING_URI": f"{bucket}/landing",
        "PIPELINE_S3_ENDPOINT_URL": access.endpoint_url or "",
        "PIPELINE_S3_REGION": access.region or "",
        "PIPELINE_SENSOR_SECONDS": "1",
        "PIPELINE_LANDING_SETTLE_SECONDS": "2",
        "PIPELINE_ISOLATED_STEPS": "false",
        "PIPELINE_THREADS": "1",
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
            yield Site(instance, S3Store(access), bucket, process, log)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def reviews_of_films() -> bytes:
    """Enough of each kind to learn from."""
    rows = [
        f'{customer},"{word} film number {customer} and its {word} end",{score}'
        for word, score in SCORED
        for customer in range(1, 9)
    ]
    return "\n".join(["cid,review_str,score", *rows, ""]).encode()


@pytest.mark.daemon
def test_what_is_delivered_is_made_once_with_all_that_follows(
    tmp_path: Path, bucket: str, s3: S3Access
) -> None:
    source = tmp_path / "samples"
    write_taobao(source, 0.01, 0, 0.0)
    write_ratings(source, 0.01, 0, 0.0)
    write_music(source, 0.01, 0, 0.0)
    assets = {
        "ratings": {"raw_reviews", "rejected_rows", "reviews", "filtered_ratings"}
        | {"train_ready_ratings"},
        "taobao": {"raw_files", "rejected_rows", "impressions", "core_features"}
        | {"common_features_summary", "common_features"},
        "music": {"raw_users", "raw_user_top_artists", "rejected_rows", "users"}
        | {"user_top_artists", "artist_rank_in_country", "country_rank_per_artist"}
        | {"artist_embeddings", "user_embeddings", "similar_artists"},
        "rentals": {"raw_movie_reviews", "rejected_rows", "movie_reviews"}
        | {"classified_movie_reviews", "user_behavior_metric"},
    }
    expected: Made = Counter(
        (f"{domain}/{name}", key) for key, domain in MADE.items() for name in assets[domain]
    )
    expected["rentals/sentiment_model", None] = 1

    with running(tmp_path / "home", bucket, s3) as site:
        site.put(".here", b"")
        site.wait(lambda _: len(site.instance.all_instigator_state()) >= len(LANDING))
        reviews = gzip.compress((source / TSV).read_bytes())
        site.put(f"{TSV}.gz", reviews)
        for name in ("users.csv", "user_top_artists.csv"):
            site.put(f"music/2026-01-01/{name}", (source / "music/2026-01-01" / name).read_bytes())
        site.put(f"movie_review/{DAY}/movie_review.csv", reviews_of_films())
        archive = (source / "taobao/taobao_train.tar.gz").read_bytes()
        site.put("taobao/taobao_train.tar.gz", archive)
        site.wait(lambda made: set(made) >= set(expected))
        site.wait_for_ticks()
        assert site.made() == expected

        # Overwritten, with other bytes that hold the same rows: this partition alone is made again.
        site.put(f"{TSV}.gz", gzip.compress((source / TSV).read_bytes(), 1))
        again = {(f"ratings/{name}", "Gift_Card"): 1 for name in assets["ratings"]}
        site.wait(lambda made: made.total() >= expected.total() + len(again))
        site.wait_for_ticks()
        assert site.made() == expected + Counter(again)


TSV = "amazon_reviews/amazon_reviews_us_Gift_Card_v1_00.tsv"
