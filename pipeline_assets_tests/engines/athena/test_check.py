"""What `make athena-check` prints, and how it ends."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.settings import Settings
from pipeline_assets_tests.athena_check import main
from pipeline_assets_tests.domains.rentals.world import World
from pipeline_assets_tests.doubles.athena import AthenaDouble
from pipeline_assets_tests.doubles.athena_sql import Refusal
from pipeline_assets_tests.engines.athena.lake import athena_lake, lead_to

Lake = tuple[AthenaDouble, Settings]
CHECKED = ["rentals/movie_reviews", "rentals/rejected_rows"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake on S3 and in Glue with the reviews of two days, computed by the embedded engine."""
    folder = tmp_path_factory.mktemp("check")
    with athena_lake(folder) as (double, settings), dg.DagsterInstance.ephemeral() as instance:
        world = World(settings.model_copy(update={"engine": "embedded"}), instance)
        world.land("2026-02-01", (1, "Fine.", 4), (2, "Bad.", 1))
        world.land("2026-02-02", (1, "So so.", 3), ("x", "No customer.", 3))
        assert world.update("raw_movie_reviews", "rejected_rows", "movie_reviews") == ()
        yield double, settings


@pytest.fixture
def lake(published: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lake:
    """The same, named by the environment, as for a user."""
    double, settings = published
    lead_to(double, monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name in ("lake_uri", "catalog_uri", "athena_workgroup", "s3_endpoint_url", "s3_region"):
        monkeypatch.setenv(f"PIPELINE_{name.upper()}", getattr(settings, name))
    monkeypatch.setenv("PIPELINE_JOB_POLL_SECONDS", "0.02")
    return lake_of(double, settings)


def lake_of(double: AthenaDouble, settings: Settings) -> Lake:
    double.before = lambda _: None
    return double, settings


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


def test_equal_assets_are_a_table_and_leave_nothing(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    double, settings = lake
    before = objects(double)
    assert ended(*CHECKED) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.split()[:5] == ["rentals/movie_reviews", "equal", "3", "rows", "2"]
    assert second.split()[:5] == ["rentals/rejected_rows", "equal", "1", "rows", "2"]
    assert last == "2 equal"
    left = objects(double) - before
    assert {key.split("/")[1] for key in left} == {"_jobs"}
    assert double.glue.get_tables(DatabaseName=settings.athena_database)["TableList"] == []
    snapshots = [Deployment(settings).lake.access.open().load_table(it).snapshots() for it in NAMES]
    assert [len(it) for it in snapshots] == [1, 1]


NAMES = [name.replace("/", ".") for name in CHECKED]


def objects(double: AthenaDouble) -> set[str]:
    pages = double.s3.get_paginator("list_objects_v2").paginate(Bucket="lake")
    return {it["Key"] for page in pages for it in page.get("Contents", [])}


def test_what_fails_and_what_is_not_published_is_told(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise Refusal("FUNCTION_NOT_FOUND: regexp_extract")

    lake[0].before = fail
    assert ended("rentals/movie_reviews", "music/users") == 1
    first, second, last = capsys.readouterr().out.splitlines()
    assert "failed" in first
    assert "FUNCTION_NOT_FOUND: regexp_extract" in first
    assert "not published" in second
    assert last == "1 failed, 1 not published"


@pytest.mark.parametrize(
    ("arguments", "changes", "told"),
    [
        (["rentals/moovie"], {}, "no engine computes rentals/moovie; name assets such as"),
        (["music/users"], {}, "nothing of this is published in s3://lake/tables: run update"),
        ([], {"PIPELINE_ATHENA_WORKGROUP": ""}, "PIPELINE_ATHENA_WORKGROUP is needed"),
        (CHECKED, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "redentials"),
    ],
    ids=["unknown", "unpublished", "no-workgroup", "no-credentials"],
)
def test_a_mistake_is_one_line(
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    changes: dict[str, str],
    told: str,
) -> None:
    assert lake
    for name, value in changes.items():
        monkeypatch.delenv(name) if not value else monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    assert ended(*arguments) == 1
    (line,) = [it for it in capsys.readouterr().err.splitlines() if not it.endswith(" …")]
    assert line.startswith("error: ")
    assert told in line
