"""A run of the diary whose publishes are told through OpenLineage's own client, into a file."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from openlineage.client.serde import Serde

from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.openlineage.datasets import dataset_name, folders
from pipeline_assets.orchestration.resources.basics import S3, Hidden
from pipeline_assets.orchestration.resources.lake import ConfigurableLakeIOManager
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.bench import TABLES, diary, land
from pipeline_assets_tests.workbench import Workbench

Events = dict[str, dict[str, Any]]


@pytest.fixture
def bench(settings: Settings) -> Workbench:
    manager = ConfigurableLakeIOManager(
        lake_uri=settings.lake_uri,
        s3=S3(endpoint_url=None, region=None, kms_key_id=None),
        catalog_uri=Hidden(f"sqlite:///{settings.lake_uri}/catalog.db"),
        tables=TABLES,
        progress=SILENT,
        deployment_name="diaries",
        openlineage=True,
    )
    return diary(settings, lake_io_manager=manager)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where OpenLineage's settings say that events go."""
    file = tmp_path / "events.jsonl"
    for name, value in {"TYPE": "file", "LOG_FILE_PATH": str(file), "APPEND": "true"}.items():
        monkeypatch.setenv(f"OPENLINEAGE__TRANSPORT__{name}", value)
    return file


def told(file: Path) -> Events:
    """The last event of each job."""
    events = map(json.loads, file.read_text().splitlines())
    return {event["job"]["name"]: event for event in events}


def test_a_publish_is_a_finished_run_of_its_asset_within_dagsters(
    bench: Workbench, file: Path
) -> None:
    land(bench, "mon", one="ada: hello\nbob: no")
    run = bench.run("mon")
    assert run.success
    event = told(file)["diary/entries"]
    (snapshot,) = bench.lake.history(bench.tables["diary.entries"])
    (output,) = event["outputs"]
    facets, lake = output["facets"], bench.settings.lake_uri

    assert (event["eventType"], event["job"]["namespace"]) == ("COMPLETE", "diaries")
    assert event["run"]["facets"]["parent"]["run"]["runId"] == run.run_id
    assert event["run"]["facets"]["processing_engine"]["name"] == "duckdb"
    assert UUID(event["run"]["runId"])
    assert (output["namespace"], output["name"]) == ("file", f"{lake}/diary/entries")
    assert facets["version"]["datasetVersion"] == str(snapshot.snapshot_id)
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert facets["symlinks"]["identifiers"][0]["name"] == "diary.entries"
    fields = {field["name"]: field["type"] for field in facets["schema"]["fields"]}
    assert fields["letters"] == "long"


def test_inputs_are_named_with_the_snapshot_that_was_read(bench: Workbench, file: Path) -> None:
    land(bench, "mon", one="ada: hello")
    assert bench.run("mon").success
    (read,) = bench.lake.history(bench.tables["diary.pages"])
    events = told(file)
    (table,), (landed,) = events["diary/entries"]["inputs"], events["diary/pages"]["inputs"]
    assert table["name"] == f"{bench.settings.lake_uri}/diary/pages"
    assert table["facets"]["version"]["datasetVersion"] == str(read.snapshot_id)
    assert landed["name"] == f"{bench.settings.landing_uri}/diary/mon"


def test_columns_come_from_columns_and_those_of_lines_from_the_column_that_names_the_text(
    bench: Workbench, file: Path
) -> None:
    land(bench, "mon", one="ada: hello")
    assert bench.run("mon").success
    lineage = told(file)["diary/entries"]["outputs"][0]["facets"]["columnLineage"]["fields"]
    sources = {
        column: [(it["name"].rpartition("/")[2], it["field"]) for it in found["inputFields"]]
        for column, found in lineage.items()
    }
    assert sources["page"] == [("pages", "member")]
    assert sources["who"] == [("pages", "part_uri")]


def test_checks_are_told_with_how_many_rows_failed(bench: Workbench, file: Path) -> None:
    land(bench, "mon", one="ada: hello\nbob: no")
    assert bench.run("mon").success
    tests = told(file)["diary/entries"]["run"]["facets"]["test"]["tests"]
    found = {test["name"]: (test["status"], test["actual"]) for test in tests}
    assert found["nobody_is_brief"] == ("fail", "1")
    assert found["every_line_is_an_entry"] == ("pass", "0")


def test_what_is_refused_is_not_told(bench: Workbench, file: Path) -> None:
    land(bench, "mon", one="eve: hello")
    assert not bench.run("mon").success, "eve may not write"
    assert set(told(file)) == {"diary/pages"}


def test_an_event_has_nothing_that_the_specification_does_not_know(
    bench: Workbench, file: Path
) -> None:
    """Their client's classes, generated from the JSON schemas, refuse what these refuse."""
    land(bench, "mon", one="ada: hello")
    assert bench.run("mon").success
    for event in told(file).values():
        assert event["schemaURL"].endswith("OpenLineage.json#/$defs/RunEvent")
        assert event["producer"].startswith("https://")
        for facet in [*event["run"]["facets"].values(), *event["outputs"][0]["facets"].values()]:
            assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")
        assert Serde.to_dict(event) == event


def test_datasets_are_named_by_where_they_lie() -> None:
    assert dataset_name("s3://bucket/lake/music/users") == ("s3://bucket", "lake/music/users")
    assert dataset_name("/lake/music/users") == ("file", "/lake/music/users")
    assert list(folders(["/in/a/1", "/in/a/2", "s3://b/c/3"])) == [
        ("file", "/in/a"),
        ("s3://b", "c"),
    ]
