"""What is asked again costs neither catalog nor DuckDB, and is never older than the lake."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading import open_lake
from pipeline_assets.reading.sandbox import Sandboxes
from pipeline_assets.serving.app import create_app
from pipeline_assets.serving.service import QueryService
from pipeline_assets.serving.tokens import Callers
from pipeline_assets_tests.landing.plays import ALL_PLAYS, publish

ROWS = "/tables/music.plays/rows"
COUNT = {"sql": "SELECT count(*) AS n FROM music.plays"}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a table was asked of the catalog, and how often DuckDB executed a statement."""
    count: Counter[str] = Counter()
    load, run = Lake.load, Sandboxes.run

    def counted_load(self: Lake, table: object) -> object:
        count["loads"] += 1
        return load(self, table)  # type: ignore[arg-type]

    def counted_run(self: Sandboxes, *arguments: object) -> object:
        count["statements"] += 1
        return run(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "load", counted_load)
    monkeypatch.setattr(Sandboxes, "run", counted_run)
    return count


def test_the_same_request_is_worked_on_once(client: TestClient, work: Counter[str]) -> None:
    client.get(ROWS)
    client.post("/query", json=COUNT)
    work.clear()
    for _ in range(5):
        assert client.get(ROWS).json()["rows"]
        assert client.post("/query", json=COUNT).json()["rows"] == [{"n": 3}]
    assert work == {}


def test_another_request_needs_no_catalog(client: TestClient, work: Counter[str]) -> None:
    client.get(ROWS)
    work.clear()
    for who in ("ada", "bob", "nobody"):
        client.get(ROWS, params={"column.listener": who})
    assert work == {"statements": 3}


def test_after_a_publish_the_new_rows_are_answered(
    client: TestClient, lake: Lake, work: Counter[str]
) -> None:
    for number in range(3):
        publish(lake, {"wed": {"ada": number}})
        work.clear()
        rows = client.get(ROWS, params={"column.day": "wed"}).json()["rows"]
        assert [row["plays"] for row in rows] == [number]
        assert work["loads"] == work["statements"] == 1


def test_a_publish_of_another_table_leaves_answers_as_they_are(
    client: TestClient, lake: Lake, work: Counter[str]
) -> None:
    first = client.get(ROWS)
    publish(lake, {"mon": {"eve": 1}}, table=ALL_PLAYS)
    work.clear()
    assert client.get(ROWS).content == first.content
    assert work["loads"] == 1, "once it is known that this table is the same"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT random() AS it FROM music.plays",
        "SELECT now() AS it FROM music.plays",
        "SELECT current_timestamp AS it FROM music.plays",
        "SELECT plays + random() AS it FROM music.plays USING SAMPLE 2 ROWS",
        "SELECT uuid() AS it",
    ],
)
def test_what_varies_is_never_remembered(client: TestClient, sql: str) -> None:
    first, second = (client.post("/query", json={"sql": sql}).json()["rows"] for _ in range(2))
    assert first != second


def test_formats_and_callers_have_answers_of_their_own(client: TestClient) -> None:
    assert client.get(ROWS).headers["content-type"] == "application/json"
    assert client.get(ROWS, headers={"Accept": "text/csv"}).text.startswith('"listener"')
    assert client.get(ROWS, headers={"Accept": "application/json"}).json()["rows"]


def test_a_lost_file_is_told_without_its_path(service: QueryService) -> None:
    client = TestClient(create_app(service, Callers({})))
    for file in service.lake["music.plays"].files:
        Path(file).unlink()
    answer = client.get(ROWS)
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "A file of music.plays cannot be read; its owner has to verify it"
    )


def test_a_catalog_that_cannot_say_what_changed_is_believed_for_a_while(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_lake, "sqlite_path", lambda _: None)
    exact = open_lake.open_lake(lake.access.warehouse, catalog=lake.access.uri)
    patient = replace(exact, seconds=3600.0)
    before = exact["music.plays"].snapshot_id, patient["music.plays"].snapshot_id
    publish(lake, {"wed": {"ada": 1}})
    assert patient["music.plays"].snapshot_id == before[1]
    assert exact["music.plays"].snapshot_id != before[0]
