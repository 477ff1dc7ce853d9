"""What failed while nobody looked is tried again: not for ever, and only what nobody else makes."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pytest

from pipeline_assets.definitions import DATASETS
from pipeline_assets.orchestration.sensors.retry_sensor import Retries, retry_sensor
from pipeline_assets.orchestration.sensors.retry_waits import GRACE, is_due, remaining_assets

ASSETS = DATASETS.assets

WAITS = (600.0, 3600.0)
BY_SENSOR = {"dagster/sensor_name": "landing_days", "pipeline/landing": "days"}
DAYS = dg.StaticPartitionsDefinition(["mon", "tue", "wed"])
RAW, CLEAN, SUMS = (dg.AssetKey(["days", name]) for name in ("raw", "clean", "sums"))


@pytest.mark.parametrize(
    ("number", "waited", "expected"),
    [
        (0, 599, False),
        (0, 600, True),
        (1, 600, False),
        (1, 3600, True),
        (2, 10**6, False),
        (0, 600 + GRACE + 1, False),
    ],
)
def test_each_try_waits_longer_and_there_is_a_last_one(
    number: int, waited: float, expected: bool
) -> None:
    assert is_due(number, 1e9, WAITS, 1e9 + waited) is expected


def test_what_was_made_and_what_newer_runs_make_is_left_alone() -> None:
    wanted = {"raw", "clean", "sums"}
    assert remaining_assets(wanted, {"raw"}, []) == {"clean", "sums"}
    assert remaining_assets(wanted, {"raw"}, [{"clean"}]) == {"sums"}
    assert remaining_assets(wanted, set(), [{"raw", "clean"}, {"sums"}]) == frozenset()


class Weather(dg.ConfigurableResource[Any]):
    is_bad: bool = True
    is_refused: bool = False


@dg.asset(key=RAW, partitions_def=DAYS)
def raw() -> None:
    pass


@dg.asset(
    key=CLEAN,
    partitions_def=DAYS,
    deps=[raw],
    check_specs=[dg.AssetCheckSpec("unique", asset=CLEAN, blocking=True)],
)
def clean(weather: Weather) -> Iterator[Any]:
    if weather.is_bad and not weather.is_refused:
        raise dg.Failure("S3 is away", allow_retries=False)
    yield dg.AssetCheckResult(check_name="unique", passed=not weather.is_refused)
    if weather.is_refused:
        raise dg.Failure("the audit failed", allow_retries=False)
    yield dg.MaterializeResult()


@dg.asset(key=SUMS, partitions_def=DAYS, deps=[clean])
def sums() -> None:
    pass


class Site:
    """A graph of three assets, a clock, and the sensor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.minutes = 0.0
        self.weather = Weather()
        self.sensor = Retries(frozenset({"days/raw", "days/clean", "days/sums"}), WAITS, self.clock)

    def clock(self) -> float:
        (last,) = self.instance.get_run_records(limit=1)
        return float(last.end_time or 0) + 60 * self.minutes

    def run(
        self,
        keys: tuple[dg.AssetKey, ...] = (RAW, CLEAN, SUMS),
        day: str | None = "mon",
        tags: Mapping[str, str] = BY_SENSOR,
    ) -> dg.DagsterRun:
        definitions = dg.Definitions([raw, clean, sums], resources={"weather": self.weather})
        job = definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=list(keys),
            partition_key=day,
            tags=dict(tags),
            instance=self.instance,
            raise_on_error=False,
        ).dagster_run

    def due_after(self, minutes: float) -> list[dg.RunRequest]:
        self.minutes = minutes
        result = self.sensor.evaluate(dg.build_sensor_context(self.instance))
        return list(result.run_requests or ())

    def run_again(self, minutes: float) -> dg.DagsterRun:
        (request,) = self.due_after(minutes)
        tags = {**request.tags, "dagster/sensor_name": "retries"}
        return self.run(tuple(request.asset_selection or ()), day=None, tags=tags)


@pytest.fixture
def site(instance: dg.DagsterInstance) -> Site:
    return Site(instance)


def test_a_retry_makes_what_is_left_once_the_weather_is_better(site: Site) -> None:
    failed = site.run()
    assert site.due_after(9) == []
    (request,) = site.due_after(10)
    assert request.run_key == failed.run_id
    assert request.asset_selection == [CLEAN, SUMS]
    assert request.tags == {
        "dagster/partition": "mon",
        "pipeline/landing": "days",
        "pipeline/retry_of": failed.run_id,
        "pipeline/retry_number": "1",
    }
    site.weather = Weather(is_bad=False)
    assert site.run_again(10).is_success
    assert site.due_after(10**4) == []


def test_what_is_broken_for_good_is_given_up(site: Site) -> None:
    site.run()
    assert site.run_again(10).is_failure
    assert site.due_after(10) == [], "each wait is longer"
    assert site.run_again(60).is_failure
    assert [site.due_after(minutes) for minutes in (60, 600, 6000)] == [[], [], []]


def test_a_refused_audit_would_be_refused_again(site: Site) -> None:
    site.weather = Weather(is_refused=True)
    assert site.run().is_failure
    assert site.due_after(10) == []


def test_what_dagster_tries_again_itself_is_left_to_it(site: Site) -> None:
    failed = site.run()
    site.instance.add_run_tags(failed.run_id, {"dagster/will_retry": "true"})
    assert site.due_after(10) == []


def test_a_newer_run_counts_from_then_on(site: Site) -> None:
    site.run()
    site.run(keys=(CLEAN,), tags={})
    (request,) = site.due_after(10)
    assert request.asset_selection == [SUMS]
    site.run(keys=(SUMS,))
    assert site.due_after(10) == []


def test_the_run_of_another_partition_does_not(site: Site) -> None:
    site.run()
    site.weather = Weather(is_bad=False)
    site.run(day="tue")
    (request,) = site.due_after(10)
    assert request.tags["dagster/partition"] == "mon"


def test_who_started_a_run_by_hand_sees_it_fail(site: Site) -> None:
    site.run(tags={})
    assert site.due_after(10) == []


def test_a_range_is_left_to_the_sensor_that_divides_it(site: Site) -> None:
    span = {
        "dagster/asset_partition_range_start": "mon",
        "dagster/asset_partition_range_end": "tue",
    }
    site.run(keys=(CLEAN,), day=None, tags={**span, "dagster/from_automation_condition": "true"})
    assert site.due_after(10) == []


def test_assets_that_are_no_more_are_not_asked_for(site: Site) -> None:
    site.run()
    site.sensor = Retries(frozenset({"days/sums"}), WAITS, site.clock)
    (request,) = site.due_after(10)
    assert request.asset_selection == [SUMS]


def test_without_waits_the_sensor_rests() -> None:
    assert retry_sensor(ASSETS, (), 30).default_status == dg.DefaultSensorStatus.STOPPED
    assert retry_sensor(ASSETS, WAITS, 30).default_status == dg.DefaultSensorStatus.RUNNING
