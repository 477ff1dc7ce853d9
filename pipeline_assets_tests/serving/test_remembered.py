"""What is asked again costs neither catalog nor DuckDB, and is never older than the lake."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient, Response

from pipeline_assets.api_token import ApiToken
from pipeline_assets.iceberg.agreement import load
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading import open_lake
from pipeline_assets.reading.changes import SqliteChanges
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
    run = Sandboxes.run

    def counted_load(*arguments: object) -> object:
        count["loads"] += 1
        return load(*arguments)  # type: ignore[arg-type]

    def counted_run(self: Sandboxes, *arguments: object) -> object:
        count["statements"] += 1
        return run(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("pipeline_assets.reading.open_lake.load", counted_load)
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


REQUESTS: tuple[dict[str, Any], ...] = (
    {"method": "GET", "url": ROWS},
    {"method": "GET", "url": f"{ROWS}?limit=1"},
    {"method": "GET", "url": f"{ROWS}?column.listener=ada&limit=2"},
    {"method": "GET", "url": ROWS, "headers": {"Accept": "text/csv"}},
    {"method": "GET", "url": ROWS, "headers": {"Accept": "application/x-ndjson"}},
    {"method": "GET", "url": ROWS, "headers": {"Accept": "application/vnd.apache.arrow.stream"}},
    {"method": "GET", "url": ROWS, "headers": {"If-None-Match": '"of another snapshot"'}},
    {"method": "POST", "url": "/query", "json": COUNT},
    {"method": "POST", "url": "/query", "json": COUNT | {"format": "csv"}},
    {"method": "POST", "url": "/query", "json": {"sql": "SELECT 1 AS one"}},
)


def told(answer: Response) -> tuple[int, list[tuple[str, str]], bytes]:
    return answer.status_code, sorted(answer.headers.items()), answer.content


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda it: str(list(it.values())[1:]))
def test_an_answer_from_memory_is_that_of_the_application(
    client: TestClient, work: Counter[str], request_: dict[str, Any]
) -> None:
    computed = told(client.request(**request_))
    assert work["statements"] == 1
    assert told(client.request(**request_)) == computed
    assert work["statements"] == 1


def test_who_has_an_answer_is_told_so_from_memory_too(
    client: TestClient, service: QueryService
) -> None:
    etag = client.get(ROWS).headers["etag"]
    fresh = TestClient(create_app(service, Callers({})))
    known = {"If-None-Match": etag}
    remembered, computed = client.get(ROWS, headers=known), fresh.get(ROWS, headers=known)
    assert told(remembered) == told(computed)
    assert remembered.status_code == 304


def test_who_may_not_ask_gets_nothing_from_memory(service: QueryService) -> None:
    token = ApiToken(sha256=hashlib.sha256(b"secret").hexdigest(), concurrency=1)
    callers = Callers({"team": token})
    client = TestClient(create_app(service, callers))
    known = {"Authorization": "Bearer secret"}
    assert client.get(ROWS, headers=known).status_code == 200
    assert client.get(ROWS).status_code == 401
    assert client.get(ROWS, headers={"Authorization": "Bearer guessed"}).status_code == 401
    with callers.slot(callers.caller("Bearer secret")):
        assert client.get(ROWS, headers=known).status_code == 429
    assert client.get(ROWS, headers=known).status_code == 200
    assert 'lake_request_seconds_count{caller="team"} 2.0' in client.get("/metrics").text


def test_requests_of_one_moment_share_one_look_at_the_catalog(
    service: QueryService, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: Counter[str] = Counter()
    mark = SqliteChanges.mark

    def counted(self: SqliteChanges) -> object:
        looks["marks"] += 1
        return mark(self)

    monkeypatch.setattr(SqliteChanges, "mark", counted)
    app = create_app(service, Callers({}))

    async def ask() -> None:
        async with AsyncClient(transport=ASGITransport(app), base_url="http://lake") as client:

            async def fifty() -> set[bytes]:
                answers = await asyncio.gather(*(client.get(ROWS) for _ in range(50)))
                return {answer.content for answer in answers}

            (before,) = await fifty()
            looks.clear()
            assert await fifty() == {before}
            assert looks["marks"] <= 5
            publish(lake, {"mon": {"eve": 9}})
            (after,) = await fifty()
            assert b"eve" in after

    asyncio.run(ask())


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "http.disconnect"}],
        [{"type": "http.request"}],
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}],
    ],
    ids=["gone", "empty", "gone half way"],
)
def test_who_goes_away_before_he_has_asked_is_no_fault(
    service: QueryService, parts: list[dict[str, Any]]
) -> None:
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    head = {"type": "http", "method": "POST", "path": "/query", "query_string": b"", "headers": []}
    asyncio.run(create_app(service, Callers({}))(head, receive, send))
    assert statuses[0] in (400, 422)


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
