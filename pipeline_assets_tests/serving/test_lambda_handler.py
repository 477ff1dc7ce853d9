"""The Lambda function answers an event of API Gateway as the web server answers a request."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.serving import lambda_handler
from pipeline_assets.serving.lambda_handler import handler
from pipeline_assets_tests.landing.plays import publish


def event(method: str, path: str, body: str = "") -> dict[str, Any]:
    """An event of an HTTP API, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "api"},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "1.2.3.4", "protocol": "HTTP/1.1"},
            "stage": "$default",
        },
        "body": base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": True,
    }


@pytest.fixture
def deployed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PIPELINE_LAKE_URI", lake.access.warehouse)
    monkeypatch.setenv("PIPELINE_CATALOG_URI", lake.access.uri)
    lambda_handler._adapter.cache_clear()
    yield
    lambda_handler._adapter.cache_clear()


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/query", '{"sql": "SELECT sum(plays) AS n FROM music.plays"}'),
        ("POST", "/query", '{"sql": "SELECT * FROM music.playz"}'),
        ("POST", "/query", "no json"),
        ("GET", "/tables/music.plays/rows", ""),
        ("GET", "/nowhere", ""),
    ],
)
def test_it_answers_as_the_web_server_does(
    client: TestClient, method: str, path: str, body: str
) -> None:
    expected = client.request(
        method, path, content=body, headers={"content-type": "application/json"}
    )
    answered = handler(event(method, path, body), None)
    assert answered["statusCode"] == expected.status_code
    assert json.loads(answered["body"]) == expected.json()
    assert answered["headers"]["content-type"] == expected.headers["content-type"]


@pytest.mark.usefixtures("deployed")
def test_what_it_remembers_is_never_older_than_the_lake(lake: Lake) -> None:
    def listeners() -> list[str]:
        answered = handler(event("GET", "/tables/music.plays/rows"), None)
        return [row["listener"] for row in json.loads(answered["body"])["rows"]]

    assert listeners() == listeners()
    for who in ("eve", "mallory"):
        publish(lake, {"mon": {who: 9}, "tue": {}})
        assert listeners() == [who]
        assert listeners() == [who]
