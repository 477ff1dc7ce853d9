"""A REST catalog that chooses where tables lie: everything works where it has put them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline_assets import open_lake
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.environments.environments import Environments
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.cleaning import Cleaned, clean
from pipeline_assets.iceberg.upkeep.recovery import recover
from pipeline_assets.iceberg.upkeep.verification import verify
from pipeline_assets.reading.query import query
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.iceberg.rest_double import served, url_of, writable
from pipeline_assets_tests.landing.plays import PLAYS, content, local_lake, publish, record, written

ALWAYS = datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """Where the catalog keeps tables; no part of the lake."""
    return tmp_path / "places"


@pytest.fixture
def lake(tmp_path: Path, places: Path) -> Iterator[Lake]:
    behind = CatalogAccess(sqlite_uri(tmp_path / "behind.db"), str(tmp_path / "lake"))
    with served(writable(behind, {}, str(places))) as url:
        yield Lake(CatalogAccess(url_of(url, warehouse="lake"), str(tmp_path / "lake")))


def another(lake: Lake) -> Lake:
    """The same lake in another process, which has to ask where a table lies."""
    return Lake(replace(lake.access))


def cleaned(lake: Lake) -> Cleaned:
    (found,) = clean(lake, lake.access.store, [PLAYS], ALWAYS)
    return found


def test_a_publish_lies_where_the_catalog_has_put_the_table(lake: Lake, places: Path) -> None:
    publish(lake, {"mon": {"ada": 3}})
    publish(another(lake), {"tue": {"bob": 2}})
    assert lake.location(PLAYS) == another(lake).location(PLAYS)
    assert Path(lake.location(PLAYS)).parent == places
    assert all(Path(uri).is_relative_to(places) for uri in lake.read(PLAYS).files)
    assert not Path(lake.access.warehouse).exists()
    assert content(another(lake)) == {"mon": {"ada": 3}, "tue": {"bob": 2}}
    assert lake.records(PLAYS).keys() == {"mon", "tue"}


def test_six_that_publish_first_agree_on_one_place(lake: Lake) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda day: publish(another(lake), {str(day): {"ada": day}}), range(6)))
    assert content(lake) == {str(day): {"ada": day} for day in range(6)}
    assert {str(Path(uri).parents[2]) for uri in lake.read(PLAYS).files} == {lake.location(PLAYS)}


def test_readers_find_it_and_nothing_beside_it(lake: Lake, places: Path) -> None:
    publish(lake, {"mon": {"ada": 3}})
    with open_lake(lake.access.warehouse, catalog=lake.access.uri) as read:
        assert read["music.plays"].to_arrow().column("plays").to_pylist() == [3]

    engine = EmbeddedEngine(memory_limit_mib=256, threads=1)
    with query("select sum(plays) from music.plays", another(lake), [PLAYS], engine) as answer:
        assert list(answer.rows) == [(3,)]
    (places / "secret.csv").write_text("a\n1\n")
    beside = f"select * from '{places}/secret.csv', music.plays"
    with (
        pytest.raises(PipelineError, match="disabled by configuration"),
        query(beside, lake, [PLAYS], engine) as answer,
    ):
        list(answer.rows)


def test_history_is_restored_and_what_is_old_is_cleaned(lake: Lake) -> None:
    for plays in (1, 2, 3):
        publish(lake, {"mon": {"ada": plays}})
    lake.restore(PLAYS, lake.history(PLAYS)[0].snapshot_id)
    (left,) = written(lake, {"mon": {"ada": 4}})
    first, second = cleaned(another(lake)), cleaned(another(lake))
    assert (first.problem, second.problem) == (None, None)
    assert len(first.expired.snapshots) == 3
    assert second.removed.number == first.condemned.number > 2
    assert not Path(left).exists()
    assert content(lake) == {"mon": {"ada": 1}}


def test_damage_is_found(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}})
    sound = verify(lake, PLAYS, deep=True)
    assert (sound.files, sound.unsealed, sound.damages) == (1, 0, ())
    (uri,) = lake.read(PLAYS).files
    Path(uri).unlink()
    (damage,) = verify(another(lake), PLAYS).damages
    assert (damage.what, damage.keys) == ("is missing", ("mon",))


def test_what_was_published_before_into_the_lake_stays_and_the_catalog_is_not_changed(
    lake: Lake, tmp_path: Path
) -> None:
    publish(lake, {"mon": {"ada": 3}})
    place = lake.location(PLAYS)
    publish(local_lake(tmp_path / "lake"), {"mon": {"ada": 1}})
    (found,) = recover(lake.access)
    assert (found.is_changed, found.losses) == (False, ())
    assert found.details == f"left as it is: its catalog keeps it at {place}"
    assert content(lake) == {"mon": {"ada": 3}}


def test_a_table_that_lies_elsewhere_is_not_cloned(lake: Lake) -> None:
    publish(lake, {"mon": {"ada": 3}})
    with pytest.raises(PipelineError, match="environments need a catalog that keeps tables where"):
        Environments(lake).create("dev_x")


def test_a_place_that_the_lake_cannot_reach_is_told_in_one_line(tmp_path: Path) -> None:
    behind = CatalogAccess(sqlite_uri(tmp_path / "behind.db"), str(tmp_path / "lake"))
    with served(writable(behind, {}, f"file://{tmp_path}/places")) as url:
        lake = Lake(CatalogAccess(url_of(url), str(tmp_path / "lake")))
        with pytest.raises(PipelineError, match=r"PIPELINE_LAKE_URI must be of the same kind$"):
            lake.writing_location(PLAYS)


class S3Tables(S3Store):
    """What S3 Tables let nobody do."""

    def list(self, *_: Any) -> Any:  # noqa: ANN401
        raise PipelineError("S3 Tables list nothing")

    def delete(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        raise PipelineError("S3 Tables delete nothing")


def test_s3_tables_are_published_read_and_left_to_their_own_maintenance(
    tmp_path: Path, s3: S3Access, s3_store: S3Store, bucket: str
) -> None:
    s3_store.client.create_bucket(Bucket="63a8e430--table-s3")
    behind = CatalogAccess(sqlite_uri(tmp_path / "behind.db"), f"{bucket}/lake", s3)
    with served(writable(behind, {}, "s3://63a8e430--table-s3")) as url:
        uri = url_of(url, warehouse="arn:aws:s3tables:eu-west-1:1:bucket/lake")
        access = CatalogAccess(uri, f"{bucket}/lake", s3)
        lake = Lake(access)
        for plays in (1, 2):
            home = lake.writing_location(PLAYS)
            (here,) = written(local_lake(tmp_path / "scratch"), {"mon": {"ada": plays}})
            file = f"{home}/data/{plays:032x}/0.parquet"
            s3_store.put(file, Path(here).read_bytes())
            lake.publish(PLAYS, [file], {"mon": record()})
        assert home.startswith("s3://63a8e430--table-s3/")
        assert lake.read(PLAYS).files == (file,)
        assert verify(lake, PLAYS, deep=True).damages == ()
        (left,) = clean(lake, S3Tables(s3), [PLAYS], ALWAYS)
        assert left.problem is None
        assert str(left).endswith("is left to the maintenance of S3 Tables, which list no files")
        assert not [it for it in s3_store.list(home) if it.uri.endswith("version-hint.text")]
