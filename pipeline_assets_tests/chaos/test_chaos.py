"""A seed of ``make chaos``, which also plays every seed on S3, and what it has to notice."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.chaos.mishaps import MISHAPS
from pipeline_assets_tests.chaos.trial import Expected, Plan
from pipeline_assets_tests.chaos.trials import Trials, expected_in, settings_in
from pipeline_assets_tests.chaos.updates import Order, Update
from pipeline_assets_tests.chaos.weather import TRUNCATED, Weather, in_weather
from pipeline_assets_tests.chaos.zone import CATEGORIES, Delivery

VARIANTS, TABLES = 2, 3


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    return expected_in(tmp_path_factory.mktemp("expected"), VARIANTS, TABLES)


@pytest.mark.parametrize("seed", [0])
def test_whatever_happens_to_a_lake_in_a_folder(
    seed: int, expected: Expected, tmp_path: Path
) -> None:
    found = Trials(tmp_path, expected, rounds=2).run(seed)
    assert found.violations == []
    assert found.looks
    assert found.faults


def test_whatever_befalls_a_lake_is_noticed_and_mended(expected: Expected, tmp_path: Path) -> None:
    """One mishap after the other, each to the lake that was mended after the one before."""
    plans = [
        Plan(Delivery(CATEGORIES[0], number % VARIANTS), mishap=kind)
        for number, kind in enumerate(MISHAPS)
    ]
    found = Trials(tmp_path, expected, rounds=len(plans)).play(plans)
    assert found.violations == []
    assert {kind: found.faults[kind] for kind in MISHAPS} == dict.fromkeys(MISHAPS, 1)


def test_after_a_power_cut_what_is_published_is_whole(expected: Expected, tmp_path: Path) -> None:
    plans = [
        Plan(Delivery(CATEGORIES[0], number % 2), kill_at=0.5 + number / 5, power_cut=True)
        for number in range(3)
    ]
    found = Trials(tmp_path, expected, rounds=3).play(plans)
    assert found.violations == []


@pytest.mark.parametrize("largest_file", [100_000, 140_000, 180_000])
def test_wherever_a_disk_is_full_it_is_told_in_one_line(tmp_path: Path, largest_file: int) -> None:
    """The first is too small for Dagster's storage, the others for what it writes of a run."""
    settings = settings_in(tmp_path / "lake")
    write_ratings(Path(settings.landing_uri), 0.01, 0, 0.0)
    outcome = Update(Order(settings, TABLES, largest_file)).outcome()
    assert outcome.ending == "failed", outcome
    (line,) = outcome.said
    assert line.startswith(("Cannot open Dagster's storage", "Cannot read or write Dagster's"))
    assert "\n" not in line


@pytest.fixture
def weather() -> Weather:
    return Weather(Random(0))


@pytest.fixture
def exposed(s3: S3Access, weather: Weather) -> Iterator[S3Store]:
    """The tests' S3, in this weather."""
    assert s3.endpoint_url
    with in_weather(s3.endpoint_url, weather) as endpoint:
        yield S3Store(S3Access(endpoint, s3.region))


def test_objects_get_through_bad_weather_whole(
    exposed: S3Store, weather: Weather, bucket: str
) -> None:
    data = Random(0).randbytes(100_000)
    exposed.put(f"{bucket}/object", data)
    weather.rate, weather.kinds = 0.2, {TRUNCATED: 1, "S3: no answer": 1}
    for _ in range(60):
        with exposed.open(f"{bucket}/object") as stream:
            assert stream.read() == data
    assert weather.counts.keys() == weather.kinds.keys()


def test_a_storm_that_does_not_end_is_told(exposed: S3Store, weather: Weather, bucket: str) -> None:
    weather.rate, weather.kinds = 1, {"S3: 503 slow down": 1}
    with pytest.raises(PipelineError, match="SlowDown"):
        exposed.put(f"{bucket}/object", b"")
