import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pyiceberg.exceptions import CommitFailedException
from sqlalchemy import make_url

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess, beside_others, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.landing.plays import PLAYS, content, local_lake, publish

PASSWORD = "s3cret"


def told(access: CatalogAccess) -> str:
    with pytest.raises(PipelineError) as raised:
        Lake(access).read(PLAYS)
    message = str(raised.value)
    assert message.startswith("Cannot read music.plays: ")
    assert "\n" not in message
    assert PASSWORD not in message
    return message


def test_the_catalog_is_made_where_there_is_none(tmp_path: Path) -> None:
    lake = local_lake(tmp_path / "not" / "yet")
    assert content(lake) == {}
    assert (tmp_path / "not" / "yet" / "catalog.db").is_file()


def test_a_catalog_can_lie_in_another_place_than_the_tables(tmp_path: Path) -> None:
    uri = sqlite_uri(tmp_path / "elsewhere" / "catalog.db")
    lake = Lake(CatalogAccess(uri, str(tmp_path / "lake")))
    publish(lake, {"mon": {"ada": 1}})
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["music"]


@pytest.mark.parametrize("name", ["plain", "two words", "100%20", "what?", "#1", "größe", "a&b=c"])
def test_any_folder_can_hold_a_catalog(tmp_path: Path, name: str) -> None:
    assert make_url(sqlite_uri(tmp_path / name)).database == str(tmp_path / name)
    publish(local_lake(tmp_path / name), {"mon": {"ada": 1}})
    assert (tmp_path / name / "catalog.db").is_file()


def test_a_catalog_is_opened_once(tmp_path: Path) -> None:
    access = local_lake(tmp_path / "lake").access
    assert access.open() is access.open()
    assert replace(access).open() is not access.open()


def test_a_catalog_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    lake = local_lake(tmp_path / "lake")
    publish(lake, {"mon": {"ada": 1}})
    shutil.rmtree(tmp_path / "lake")
    assert content(lake) == {}
    publish(lake, {"mon": {"bob": 2}})
    assert content(local_lake(tmp_path / "lake")) == content(lake) != {}


def test_new_credentials_open_the_catalog_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = CatalogAccess(sqlite_uri(tmp_path / "catalog.db"), "s3://lake", S3Access(region="x"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "first")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "first")
    first = access.open()
    assert access.open() is first
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "second")
    assert access.open() is not first
    assert access.open().properties["s3.access-key-id"] == "second"


def test_a_catalog_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "exists" in told(CatalogAccess(sqlite_uri(tmp_path / "file" / "catalog.db"), "/lake"))


def test_a_file_that_is_no_catalog_is_told(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_text("no database " * 1000)
    with pytest.raises(PipelineError) as error:
        CatalogAccess(sqlite_uri(path), "/lake").require()
    assert str(error.value) == (
        f"the catalog {path} is damaged (file is not a database): run: pipeline-assets recover"
    )


def test_a_nonsensical_catalog_is_told() -> None:
    assert "Could not parse" in told(CatalogAccess("catalogue", "/lake"))
    assert "sqlight" in told(CatalogAccess("sqlight:///catalog.db", "/lake"))


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_a_password_is_never_told(closed_port: int, driver: str) -> None:
    uri = f"{driver}://ada:{PASSWORD}@127.0.0.1:{closed_port}/lake"
    access = CatalogAccess(uri, "/lake")
    told(access)
    assert PASSWORD not in repr(Lake(access))


def test_whoever_always_comes_second_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[str] = []

    @beside_others
    def outrun() -> None:
        attempts.append("again")
        raise CommitFailedException("requirement failed")

    monkeypatch.setattr(outrun.retry, "sleep", lambda _seconds: None)
    with pytest.raises(PipelineError, match=r"^Other processes kept changing the same table; run"):
        outrun()
    assert len(attempts) == 30


def test_a_lake_is_told_from_another_by_its_places(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    assert lake == local_lake(tmp_path)
    assert lake != replace(lake, access=replace(lake.access, warehouse="/other"))
