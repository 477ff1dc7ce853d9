"""Rows of the lake by key: equal rows, published with the lake, told in one line."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from fastapi.testclient import TestClient

from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.values.destinations import ByKey, KeyedRows
from pipeline_assets.definitions import DATASETS, build_definitions
from pipeline_assets.domains.keys.assets import publish_keys
from pipeline_assets.domains.music import assets as music
from pipeline_assets.domains.music.deliveries import LISTENING
from pipeline_assets.keys.reading import read_key, read_state
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.serving.server import api
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.domains.music.world import DAY, TOP_ARTISTS, USERS, World
from pipeline_assets_tests.doubles.dynamodb import create
from pipeline_assets_tests.updating import read_lake, update

TABLE = "music.country_rank_per_artist"
KEYED = publish_keys(music.country_rank_per_artist, ByKey("artist_name", order=("rank",)))
ASSETS = (
    music.raw_users,
    music.raw_user_top_artists,
    music.users,
    music.user_top_artists,
    music.country_rank_per_artist,
    KEYED,
)


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance, s3: S3Access) -> World:
    world = World.below(tmp_path, instance)
    chosen = {"keys_table": f"keys-{uuid4().hex[:8]}", "keys_endpoint_url": s3.endpoint_url}
    settings = world.settings.model_copy(update=chosen)
    create(Deployment(settings).parts.key_table.store)
    world = replace(world, settings=settings)
    world.land("users.csv", f"{USERS}1,Poland,9\n2,Norway,9\n3,,9\n")
    world.land("user_top_artists.csv", f"{TOP_ARTISTS}1,1,Can,5,\n2,1,Can,7,\n2,2,Low,1,\n")
    return world


@pytest.fixture
def updater(world: World) -> Updater:
    definitions = build_definitions(world.settings, assets=ASSETS)
    deployment = Deployment(world.settings)
    return Updater(ASSETS, [LISTENING], deployment, world.instance, definitions=definitions)


def by_key(world: World, artist: str) -> list[tuple[object, ...]]:
    keys = Deployment(world.settings).parts.key_table.store.require()
    state = read_state(keys, TABLE)
    rows = read_key(keys, TABLE, artist, state).rows.to_pylist() if state else []
    return [tuple(row.values()) for row in rows]


def in_lake(world: World, artist: str) -> list[tuple[object, ...]]:
    sql = f"SELECT * FROM {TABLE} WHERE artist_name = '{artist}' ORDER BY snapshot, rank"
    return read_lake(world.settings, ASSETS, sql)


def test_an_update_publishes_what_is_in_the_lake(world: World, updater: Updater) -> None:
    assert not update(updater).failures
    assert by_key(world, "Can") == in_lake(world, "Can")
    assert len(by_key(world, "Can")) == 2
    listed = read_lake(
        world.settings, ASSETS, "SELECT rows, number, snapshot FROM keys.country_rank_per_artist"
    )
    assert listed == [(3, 1, DAY)]
    assert not update(updater).made, "what is published by key already is not published again"

    world.land("user_top_artists.csv", f"{TOP_ARTISTS}1,1,Low,5,\n")
    assert not update(updater).failures
    assert by_key(world, "Can") == []
    assert by_key(world, "Low") == in_lake(world, "Low") != []


def test_the_api_answers_lookups_from_there_as_from_the_lake(
    world: World, updater: Updater
) -> None:
    update(updater)
    path = "/artists/Can/countries"
    by_key = TestClient(api(world.settings))
    in_lake = TestClient(api(world.settings.model_copy(update={"keys_lookups": False})))
    found, wanted = by_key.get(path).json(), in_lake.get(path).json()
    assert (found["rows"], found["schema"]) == (wanted["rows"], wanted["schema"])
    ((version,), (wanted_version,)) = found["versions"], wanted["versions"]
    assert version["from"] == "keys"
    assert version["snapshot"] == wanted_version["snapshot"]

    etag = by_key.get(path).headers["etag"]
    assert by_key.get(path, headers={"If-None-Match": etag}).status_code == 304
    missing = by_key.get("/artists/Nobody/countries")
    assert (missing.status_code, missing.headers["content-type"]) == (
        404,
        "application/problem+json",
    )
    cut = by_key.get(path, params={"limit": 1}).json()
    assert cut["truncated"], "what does not fit into a page comes from the lake, with a next page"
    now = version["published_at"].replace("+00:00", "")
    assert "from" not in by_key.get(path, params={"as_of": now}).json()["versions"][0]


def test_a_dynamodb_that_is_away_is_told_without_its_name(world: World, updater: Updater) -> None:
    update(updater)
    client = TestClient(api(world.settings.model_copy(update={"keys_table": "not-there"})))
    answer = client.get("/artists/Can/countries")
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "The rows by key cannot be read now",
    )


def test_what_somebody_else_has_published_by_key_is_a_damage(
    world: World, updater: Updater
) -> None:
    update(updater)
    verifier = Deployment(world.settings).verifier(deep=True)
    assert not verifier.verify(KEYED).damages
    keys = Deployment(world.settings).parts.key_table.store.require()
    (item,) = keys.query(f"{TABLE}#Low")
    keys.client.delete_item(TableName=keys.name, Key={"pk": item["pk"], "sk": item["sk"]})
    (damage,) = verifier.verify(KEYED).damages
    assert damage.what == f"holds 2 rows of version 1 of {DAY}, not 3 of version 1"


def test_the_assets_that_people_ask_for_by_key_are_published() -> None:
    keyed = {asset.export.table for asset in DATASETS.assets if isinstance(asset.export, KeyedRows)}
    assert keyed == {
        "music.country_rank_per_artist",
        "music.similar_artists",
        "rentals.user_behavior_metric",
    }


def test_a_key_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"music\.country_rank_per_artist has no column singer"):
        publish_keys(music.country_rank_per_artist, ByKey("singer"))
