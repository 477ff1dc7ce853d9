"""A customer's days: what he rented and wrote, and beside it what he watched and did."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import ibis.expr.datatypes as dt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from pipeline_assets import open_lake
from pipeline_assets.api_token import ApiToken
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.domains.activity.assets import customer_activity
from pipeline_assets.domains.rentals.assets import user_behavior_metric
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.keys.writing import KeyRows, stage
from pipeline_assets.reading.sandbox import Sandboxes
from pipeline_assets.serving.app import create_app
from pipeline_assets.serving.by_key.keyed import KeyLookups
from pipeline_assets.serving.service import QueryService
from pipeline_assets.serving.tokens import Callers
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.doubles.dynamodb import key_store
from pipeline_assets_tests.landing.plays import local_lake, record

BEHAVIOUR: Final = user_behavior_metric.table
ACTIVITY: Final = customer_activity.table
PATH: Final = "/customers/7/behaviour"
DAY: Final = "insert_date"
FIRST, SECOND = date(2026, 1, 30), date(2026, 1, 31)


def behaviour(day: date | str, customer: int = 7) -> dict[str, Any]:
    zeros = {"amount_spent": 0, "purchase_count": 2, "review_score": 0, "review_count": 0}
    return {"customer_id": customer, **zeros, "insert_date": day}


def activity(day: date, customer: int = 7) -> dict[str, Any]:
    kinds = {"views": 3, "clicks": 0, "pauses": 1, "rents": 0, "searches": 0}
    counted = {"events": 4, **kinds, "sessions": 2, "films": 1, "rented_after_viewed": 0}
    return {"customer_id": customer, "seconds": 90.0, **counted, "day": day}


def published(lake: Lake, table: LakeTable, rows: Sequence[Mapping[str, Any]]) -> None:
    """Publish rows, a file for each partition."""
    folder = Path(lake.location(table), "data", uuid4().hex)
    folder.mkdir(parents=True)
    partitions: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        partitions.setdefault(str(row[str(table.partition_column)]), []).append(row)
    for key, of_key in partitions.items():
        content = pa.Table.from_pylist(of_key, schema=table.contract.schema.to_pyarrow())
        pq.write_table(content, folder / f"{key}.parquet")
    files = [str(folder / f"{key}.parquet") for key in partitions]
    lake.publish(table, files, dict.fromkeys(partitions, record()))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path / "lake")


def api(lake: Lake, tables: tuple[str, ...] = ("*",), keys: KeyLookups | None = None) -> TestClient:
    opened = open_lake(lake.access.warehouse, catalog=lake.access.uri)
    token = ApiToken(sha256=hashlib.sha256(b"secret").hexdigest(), tables=tables, concurrency=1)
    app = create_app(QueryService(opened, Sandboxes(opened.engine)), Callers({"shop": token}), keys)
    return TestClient(app, headers={"Authorization": "Bearer secret"})


def rows(client: TestClient, *columns: str) -> list[list[Any]]:
    """Some columns of the customer's days."""
    answer = client.get(PATH)
    assert answer.status_code == 200, answer.text
    return [[row[name] for name in columns] for row in answer.json()["rows"]]


def read(client: TestClient) -> list[str]:
    """The tables that the customer's days were read from."""
    return [version["table"] for version in client.get(PATH).json()["versions"]]


def test_each_day_has_what_he_did_beside_what_he_rented(lake: Lake) -> None:
    published(lake, BEHAVIOUR, [behaviour(SECOND), behaviour(FIRST), behaviour(FIRST, customer=8)])
    published(lake, ACTIVITY, [activity(SECOND), activity(FIRST, customer=8)])
    client = api(lake)
    assert rows(client, "insert_date", "purchase_count", "seconds", "views", "sessions") == [
        ["2026-01-30", 2, None, None, None],
        ["2026-01-31", 2, 90.0, 3, 2],
    ]
    beside = activity(FIRST).keys() - {"customer_id", "day"}
    names = [column["name"] for column in client.get(PATH).json()["schema"]]
    assert names[:6] == list(behaviour(FIRST))
    assert set(names[6:]) == beside
    assert read(client) == [str(ACTIVITY), str(BEHAVIOUR)]


def test_pages_and_versions_are_of_both_tables(lake: Lake) -> None:
    published(lake, BEHAVIOUR, [behaviour(FIRST), behaviour(SECOND)])
    published(lake, ACTIVITY, [activity(FIRST), activity(SECOND)])
    client = api(lake)
    first = client.get(PATH, params={"limit": 1})
    etag = first.headers["etag"]
    known = {"If-None-Match": etag}
    assert client.get(PATH, params={"limit": 1}, headers=known).status_code == 304
    published(lake, ACTIVITY, [{**activity(SECOND), "views": 50}])
    assert client.get(PATH, params={"limit": 1}, headers=known).status_code == 200
    page = {"limit": 1, "page": first.json()["next"]}
    assert client.get(PATH, params=page).json()["rows"][0]["views"] == 3
    assert rows(client, "views") == [[3], [50]]


def test_an_hour_has_the_activity_of_its_day(lake: Lake) -> None:
    hourly = replace(BEHAVIOUR, contract=BEHAVIOUR.contract.with_column_type(DAY, dt.string))
    published(lake, hourly, [behaviour("2026-01-31T05"), behaviour("2026-01-31T23")])
    published(lake, ACTIVITY, [activity(SECOND)])
    assert rows(api(lake), DAY, "views") == [["2026-01-31T05", 3], ["2026-01-31T23", 3]]


def test_who_rented_nothing_has_no_days(lake: Lake) -> None:
    published(lake, BEHAVIOUR, [behaviour(FIRST, customer=8)])
    published(lake, ACTIVITY, [activity(FIRST)])
    client = api(lake)
    answer = client.get(PATH)
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "rentals.user_behavior_metric has no customer_id '7'",
    )
    assert client.get("/customers/7/activity").json()["rows"][0]["views"] == 3
    assert client.get("/customers/nobody/behaviour").status_code == 400


@pytest.mark.parametrize("tables", [("*",), ("rentals.*",)])
def test_what_is_not_there_or_not_allowed_is_not_joined(
    lake: Lake, tables: tuple[str, ...]
) -> None:
    published(lake, BEHAVIOUR, [behaviour(FIRST)])
    if tables != ("*",):
        published(lake, ACTIVITY, [activity(FIRST)])
    client = api(lake, tables)
    assert read(client) == [str(BEHAVIOUR)]
    assert client.get(PATH).json()["rows"][0].keys() == behaviour(FIRST).keys()


def test_keys_answer_whom_the_lake_has_nothing_to_join_for(lake: Lake, s3: S3Access) -> None:
    keys = key_store(str(s3.endpoint_url)).require()
    published(lake, BEHAVIOUR, [behaviour(FIRST)])
    published(lake, ACTIVITY, [activity(FIRST)])
    row = json.dumps({**behaviour(FIRST, customer=7), DAY: FIRST.isoformat()})
    schema = BEHAVIOUR.contract.schema.to_pyarrow()
    day = str(FIRST)
    stage(keys, str(BEHAVIOUR), {day: 1}, [KeyRows(day, "7", (row,))], schema, 1).show()
    by_key = KeyLookups(keys, rows=100)
    assert api(lake, ("rentals.*",), by_key).get(PATH).json()["versions"][0]["from"] == "keys"
    joined = api(lake, keys=by_key)
    assert rows(joined, "views") == [[3]]
    assert read(joined) == [str(ACTIVITY), str(BEHAVIOUR)]
