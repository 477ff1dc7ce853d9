"""A range that fails is taken apart: what is bad is named, and everything else is published."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.alerts.run_events import run_outcome
from pipeline_assets.orchestration.sensors.division_sensor import Divisions, config_of
from pipeline_assets.orchestration.sensors.downstream import DownstreamAssets
from pipeline_assets.orchestration.sensors.landing_sensor import Watch
from pipeline_assets.orchestration.sensors.retry_sensor import Retries
from pipeline_assets_tests.domains.rentals.conftest import world_in
from pipeline_assets_tests.domains.rentals.faults import FAULTS, day, land_days
from pipeline_assets_tests.domains.rentals.world import World

NAMES = ("raw_movie_reviews", "movie_reviews")
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
DAYS = 17
RAW = dg.AssetKey(["rentals", "raw_movie_reviews"])
BACKFILL = {"dagster/backfill": "b1", "team": "reviews"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Daemon:
    """Executes what sensors request, one run after the other."""

    world: World
    job: dg.JobDefinition

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.world.instance

    def run(self, keys: list[dg.AssetKey], tags: Mapping[str, str]) -> dg.DagsterRun:
        return self.job.execute_in_process(
            asset_selection=keys,
            instance=self.instance,
            tags=dict(tags),
            run_config=QUIET,
            raise_on_error=False,
        ).dagster_run

    def backfill(self, days: int) -> dg.DagsterRun:
        ends = dict(zip(RANGE, (day(0), day(days - 1)), strict=True))
        return self.run([dg.AssetKey(["rentals", name]) for name in NAMES], {**ends, **BACKFILL})

    def requests(self) -> list[dg.RunRequest]:
        assets = {asset.name: asset for asset in self.world.assets}
        found = Divisions(assets).evaluate(dg.build_sensor_context(self.instance))
        return list(found.run_requests or ())

    def divide(self) -> list[dg.RunRequest]:
        """Tick until nothing is requested any more."""
        requested: list[dg.RunRequest] = []
        while found := self.requests():
            requested += found
            for request in found:
                self.launch(request)
        return requested

    def launch(self, request: dg.RunRequest) -> dg.DagsterRun:
        keys = {"dagster/partition": request.partition_key} if request.partition_key else {}
        tags = {**request.tags, **keys, "dagster/sensor_name": "a sensor"}
        return self.run(list(request.asset_selection or ()), tags)

    def retries(self) -> list[dg.RunRequest]:
        sensor = Retries(frozenset(f"rentals/{name}" for name in NAMES), (0.0,))
        return list(sensor.evaluate(dg.build_sensor_context(self.instance)).run_requests or ())

    def alerted(self) -> Counter[str]:
        """The partitions of failed runs that people are alerted to."""
        outcomes = (run_outcome(self.instance, run) for run in self.instance.get_runs())
        return Counter(it.partition for it in outcomes if it.is_reported)

    def published(self) -> list[str]:
        sql = "select distinct insert_date::text from rentals.movie_reviews order by 1"
        return [key for (key,) in self.world.query(sql)]


@pytest.fixture
def daemon(tmp_path: Path, instance: dg.DagsterInstance) -> Daemon:
    world = world_in(tmp_path, instance)
    return Daemon(world, world.updater.definitions.resolve_implicit_global_asset_job_def())


def good(days: int) -> list[str]:
    return [day(number) for number in range(days) if number not in FAULTS]


def bad(days: int) -> Counter[str]:
    return Counter(day(number) for number in FAULTS if number < days)


def test_of_a_backfill_only_what_is_bad_is_left(daemon: Daemon) -> None:
    land_days(daemon.world, DAYS)
    assert daemon.backfill(DAYS).is_failure
    assert daemon.alerted() == {}, "its parts will tell what is wrong"
    requested = daemon.divide()
    assert daemon.published() == good(DAYS)
    assert daemon.alerted() == bad(DAYS), "each is named once"
    assert all(request.tags.items() >= BACKFILL.items() for request in requested)
    assert len(requested) < 2 * DAYS
    assert len({request.run_key for request in requested}) == len(requested)
    again = daemon.retries()
    assert Counter(request.tags.get("dagster/partition") for request in again) == bad(DAYS)


def test_a_landing_sensor_asks_for_one_day_a_run(daemon: Daemon) -> None:
    world, definitions = daemon.world, daemon.world.updater.definitions
    land_days(world, 5)
    updater = world.updater
    read = [asset for asset in updater.assets if asset.table.name in NAMES]
    downstream = DownstreamAssets.of(updater.sources[0], read, updater.deployment)
    watch = Watch(downstream, world.settings, clock=lambda: 4e9)
    context = dg.build_sensor_context(world.instance, definitions=definitions)
    for request in watch.evaluate(context).run_requests or ():
        daemon.launch(request)
    assert daemon.published() == good(5)
    assert daemon.alerted() == bad(5)
    assert daemon.requests() == []


def test_an_outage_is_told_once_and_not_asked_of_every_day(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(16):
        daemon.world.land(day(number), (1, "fine", 5))

    def away(*_: object) -> None:
        raise PipelineError("S3 does not answer")

    monkeypatch.setattr("pipeline_assets.engines.embedded.engine.EmbeddedEngine.ingest", away)
    daemon.backfill(16)
    assert len(daemon.divide()) == 2 + 4
    assert daemon.alerted().keys() == {f"{day(0)}…{day(7)}", f"{day(8)}…{day(15)}"}
    again = daemon.retries()
    assert {request.tags[RANGE[0]] for request in again} == {day(0), day(4), day(8), day(12)}


def test_what_update_divides_itself_is_left_to_it(daemon: Daemon) -> None:
    daemon.world.land(day(0)).write_bytes(b"")
    ends = dict(zip(RANGE, (day(0), day(1)), strict=True))
    failed = daemon.run([RAW], {**ends, "dagster/max_retries": "0"})
    assert failed.is_failure
    assert daemon.requests() == []


def test_a_half_keeps_only_the_config_of_what_is_left() -> None:
    config = {"ops": {"a__b": {"config": {"x": 1}}, "c__d": {"config": {}}}, "execution": {}}
    run = dg.DagsterRun("job", run_config=config)
    assert config_of(run, frozenset({"a/b"})) == {
        "ops": {"a__b": {"config": {"x": 1}}},
        "execution": {},
    }
