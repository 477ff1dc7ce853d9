"""The API over HTTP: rows with their versions, pages of one snapshot, and refusals that help."""

import csv
import hashlib
import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from pipeline_assets.api_token import ApiToken
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.serving.app import create_app
from pipeline_assets.serving.service import QueryService
from pipeline_assets.serving.tokens import Callers
from pipeline_assets_tests.landing.plays import PLAYS, publish

ALL = "SELECT listener, plays, day FROM music.plays ORDER BY day, listener"


def ask(client: TestClient, sql: str, **more: object) -> dict[str, Any]:
    answer = client.post("/query", json={"sql": sql, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_answer_names_columns_rows_and_the_snapshots_it_has_read(
    client: TestClient, lake: Lake
) -> None:
    answer = ask(client, "SELECT listener, sum(plays) AS n FROM music.plays GROUP BY 1 ORDER BY 1")
    assert answer["rows"] == [
        {"listener": "ada", "n": "5"},
        {"listener": "bob", "n": "1"},
    ]
    assert answer["schema"][1] == {
        "name": "n",
        "type": "decimal128(38, 0)",
        "encoding": "string",
    }
    (version,) = answer["versions"]
    assert version["table"] == "music.plays"
    assert version["snapshot"] == str(lake.read(PLAYS).snapshot_id)
    assert (version["newest_partition"], version["checks"]) == ("tue", "unknown")
    assert (answer["truncated"], answer["next"]) == (False, None)


def test_parameters_go_by_place_or_by_name(client: TestClient) -> None:
    by_place = ask(client, "SELECT plays FROM music.plays WHERE listener = ?", parameters=["bob"])
    by_name = ask(
        client, "SELECT plays FROM music.plays WHERE listener = $who", parameters={"who": "bob"}
    )
    assert by_place["rows"] == by_name["rows"] == [{"plays": 1}]


def ndjson_rows(body: bytes) -> list[list[Any]]:
    return [list(json.loads(line).values()) for line in body.splitlines()]


def csv_rows(body: bytes) -> list[list[Any]]:
    return list(csv.reader(io.StringIO(body.decode())))[1:]


def arrow_rows(body: bytes) -> list[list[Any]]:
    with pa.ipc.RecordBatchStreamReader(body) as stream:
        return [list(row.values()) for row in stream.read_all().to_pylist()]


@pytest.mark.parametrize(
    "accept", ["application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"]
)
def test_rows_come_in_the_format_that_is_accepted(client: TestClient, accept: str) -> None:
    answer = client.post("/query", json={"sql": ALL, "limit": 2}, headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(accept)
    assert answer.headers["x-truncated"] == "true"
    rows = {
        "application/x-ndjson": ndjson_rows,
        "text/csv": csv_rows,
        "application/vnd.apache.arrow.stream": arrow_rows,
    }[accept](answer.content)
    assert [[row[0], int(row[1]), row[2]] for row in rows] == [["ada", 3, "mon"], ["bob", 1, "mon"]]


def test_all_pages_are_of_the_same_snapshots_whatever_is_published_between(
    client: TestClient, lake: Lake
) -> None:
    first = ask(client, ALL, limit=2)
    assert first["truncated"]
    publish(lake, {"mon": {"eve": 9}, "tue": {"eve": 9}})
    second = ask(client, ALL, limit=2, page=first["next"])
    assert first["rows"] + second["rows"] == [
        {"listener": "ada", "plays": 3, "day": "mon"},
        {"listener": "bob", "plays": 1, "day": "mon"},
        {"listener": "ada", "plays": 2, "day": "tue"},
    ]
    assert second["versions"] == first["versions"]
    assert ask(client, ALL)["rows"][0]["listener"] == "eve"


def test_a_page_token_of_another_statement_is_refused(client: TestClient) -> None:
    token = ask(client, ALL, limit=1)["next"]
    for wrong in (
        {"sql": "SELECT 1", "page": token},
        {"sql": ALL, "page": "nonsense"},
        {"sql": ALL, "page": "e30="},
    ):
        answer = client.post("/query", json=wrong)
        assert answer.status_code == 400
        assert "page token" in answer.json()["detail"]


def test_the_past_can_be_asked_for(client: TestClient, lake: Lake) -> None:
    before = ask(client, ALL)["versions"][0]["published_at"]
    publish(lake, {"mon": {"eve": 9}})
    then = ask(client, ALL, as_of=before)
    assert then["rows"][0] == {"listener": "ada", "plays": 3, "day": "mon"}


def test_rows_of_a_table_by_its_columns(client: TestClient) -> None:
    answer = client.get(
        "/tables/music.plays/rows", params={"column.listener": "ada", "column.plays": "2"}
    )
    assert answer.json()["rows"] == [{"listener": "ada", "plays": 2, "day": "tue"}]
    refused = client.get("/tables/music.plays/rows", params={"column.plays": "many"})
    assert (refused.status_code, refused.headers["content-type"]) == (
        400,
        "application/problem+json",
    )
    about = client.get("/tables/music.plays").json()
    assert about["columns"][1] == {"name": "plays", "type": "long", "meaning": "How often."}
    assert client.get("/tables").json() == ["music.all_plays", "music.plays"]


def test_who_has_the_answer_already_gets_no_rows(client: TestClient, lake: Lake) -> None:
    path = "/tables/music.plays/rows"
    etag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    publish(lake, {"wed": {"ada": 1}})
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_nothing_is_read_for_who_has_the_answer_already(client: TestClient, lake: Lake) -> None:
    path = "/tables/music.plays/rows"
    etag = client.get(path).headers["etag"]
    for file in lake.read(PLAYS).files:
        Path(file).unlink()
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("sql", "status", "said"),
    [
        ("SELECT * FROM music.playz", 404, "did you mean music.plays"),
        ("SELECT * FROM '/etc/passwd'", 404, "no table"),
        ("SELECT * FROM read_text('/etc/passwd')", 400, "read_text"),
        ("DROP TABLE music.plays", 400, "a single SELECT"),
        ("SELECT nothing FROM music.plays", 400, "nothing"),
        ("SELECT out_of_memory FROM music.plays", 400, "out_of_memory"),
        ("SELECT interrupt FROM music.plays", 400, "interrupt"),
        (
            "SELECT count(*) FROM range(10000000000) a, range(10000000000) b",
            504,
            "longer than 2 seconds",
        ),
        (
            "WITH RECURSIVE n AS (SELECT 1 x UNION ALL SELECT x FROM n) SELECT count(*) FROM n",
            504,
            "longer",
        ),
        ("SELECT repeat('x', 2000000)", 413, "One row has more than"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(
    client: TestClient, sql: str, status: int, said: str
) -> None:
    answer = client.post("/query", json={"sql": sql})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert said in problem["detail"]
    assert problem["status"] == status
    assert ask(client, "SELECT 1 AS one")["rows"] == [{"one": 1}], "the server still answers"


def test_a_page_has_no_more_bytes_than_it_may(client: TestClient) -> None:
    answer = ask(client, "SELECT repeat('x', 300000) AS long FROM range(5)")
    assert answer["truncated"]
    assert 1 <= len(answer["rows"]) < 5


def secured(service: QueryService) -> TestClient:
    tokens = {
        "team": ApiToken(
            sha256=hashlib.sha256(b"secret").hexdigest(), tables=("music.all_*",), concurrency=1
        )
    }
    return TestClient(create_app(service, Callers(tokens)))


def test_a_token_is_needed_and_allows_its_tables_only(service: QueryService) -> None:
    client = secured(service)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
        answer = client.post("/query", json={"sql": "SELECT 1"}, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    known = {"Authorization": "Bearer secret"}
    assert client.get("/tables", headers=known).json() == ["music.all_plays"]
    assert client.get("/tables/music.all_plays/rows", headers=known).status_code == 200
    for path in ("/tables/music.plays", "/tables/music.plays/rows"):
        assert client.get(path, headers=known).status_code == 403
    refused = client.post(
        "/query", json={"sql": "SELECT * FROM music.all_that_there_ever_was"}, headers=known
    )
    assert refused.status_code == 404
    assert refused.json()["detail"].endswith("there are music.all_plays"), "and no other is named"
    joined = "SELECT * FROM music.all_plays, music.plays"
    assert client.post("/query", json={"sql": joined}, headers=known).status_code == 403


def test_the_documentation_asks_for_a_token_where_one_is_needed(
    service: QueryService, client: TestClient
) -> None:
    described = secured(service).get("/openapi.json").json()
    ((name, scheme),) = described["components"]["securitySchemes"].items()
    assert scheme == {"type": "http", "scheme": "bearer"}
    assert described["paths"]["/query"]["post"]["security"] == [{name: []}]
    assert "security" not in client.get("/openapi.json").json()["paths"]["/query"]["post"]


def test_a_token_has_so_many_requests_at_once(service: QueryService) -> None:
    client = secured(service)
    known = {"Authorization": "Bearer secret"}
    slow = {"sql": "SELECT count(*) FROM range(10000000000) a, range(10000000000) b"}
    statuses: list[int] = []
    asking = threading.Thread(
        target=lambda: statuses.append(client.post("/query", json=slow, headers=known).status_code)
    )
    asking.start()
    while 'in_progress{caller="team"} 1.0' not in client.get("/metrics").text:
        pass
    busy = client.post("/query", json={"sql": "SELECT 1"}, headers=known)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
    asking.join()
    assert statuses == [504]
    assert client.post("/query", json={"sql": "SELECT 1"}, headers=known).status_code == 200


def test_the_documentation_needs_no_internet(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http://" not in page.replace("http://testserver", "")
    assert "https://" not in page
    paths = re.findall(r"""["'](/[^"']+\.(?:js|css|png))["']""", page)
    assets = {path: client.get(path) for path in paths}
    assert {path.rpartition("/")[2]: it.status_code for path, it in assets.items()} == {
        "favicon.png": 200,
        "swagger-ui-bundle.js": 200,
        "swagger-ui.css": 200,
    }
    # An older page would show an error in the place of the routes.
    (script,) = (it.text for path, it in assets.items() if path.endswith(".js"))
    openapi = client.get("/openapi.json").json()
    assert openapi["openapi"] in re.findall(r"openapi: ([0-9.]+)", script)
    described = openapi["paths"]["/tables/music.plays/rows"]["get"]
    answer = described["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["properties"]["rows"]["items"]["properties"]["plays"] == {
        "type": ["integer", "string", "null"],
        "description": "How often. (long)",
    }
    assert {"name": "column.plays", "description": "How often. (long)"}.items() <= {
        key: value
        for it in described["parameters"]
        if it["name"] == "column.plays"
        for key, value in it.items()
    }.items()
    assert client.get("/health").json() == {"tables": 2}
