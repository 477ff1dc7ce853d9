"""What pyiceberg's SQL catalog has written is read without it."""

import sqlite3
from pathlib import Path

import pytest
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from sqlalchemy import make_url

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import DamagedCatalogError, sqlite_path, sqlite_uri
from pipeline_assets.iceberg.catalogs.sqlite_catalog import read_table
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, publish


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path / "a lake ü%20?#")
    publish(lake, {"mon": {"ada": 3}})
    return lake


def read(lake: Lake, name: str = str(PLAYS)) -> Table:
    path = sqlite_path(lake.access.uri)
    assert path
    return read_table(path, name, lake.access.storage_properties())


def test_a_table_is_read_as_the_catalog_itself_reads_it(lake: Lake) -> None:
    for value in (4, 5):
        publish(lake, {"mon": {"ada": value}})
        known = lake.load(PLAYS)
        assert known
        assert read(lake).metadata_location == known.metadata_location
        assert read(lake).metadata == known.metadata


@pytest.mark.parametrize("content", [None, b""], ids=["no file", "an empty file"])
def test_a_catalog_in_which_nothing_was_published_knows_no_table(
    lake: Lake, content: bytes | None
) -> None:
    path = Path(lake.access.warehouse) / "catalog.db"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NoSuchTableError, match=r"music\.plays"):
        read(lake)
    assert path.exists() == (content is not None)


def test_another_catalog_in_the_same_database_is_not_looked_at(lake: Lake) -> None:
    with sqlite3.connect(Path(lake.access.warehouse) / "catalog.db") as connection:
        connection.execute("UPDATE iceberg_tables SET catalog_name = 'of somebody else'")
    with pytest.raises(NoSuchTableError):
        read(lake)


def test_a_damaged_file_is_named_with_what_helps(lake: Lake) -> None:
    path = Path(lake.access.warehouse) / "catalog.db"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(DamagedCatalogError, match=r"is damaged .*: run: pipeline-assets recover"):
        read(lake)


def test_a_file_that_cannot_be_opened_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"Cannot read the catalog .*unable to open"):
        read_table(tmp_path, "music.plays", {})


@pytest.mark.parametrize(
    "uri",
    [
        sqlite_uri(Path("/lake/ä b%20?#/catalog.db")),
        "sqlite:///relative/catalog.db",
        "sqlite+pysqlite:////lake/catalog.db?timeout=5",
        "sqlite://",
        "postgresql+psycopg2://me:word@host/lake",
    ],
)
def test_the_file_of_a_url_is_the_one_that_sqlalchemy_opens(uri: str) -> None:
    url = make_url(uri)
    is_file = url.get_backend_name() == "sqlite" and url.database
    assert sqlite_path(uri) == (Path(str(url.database)) if is_file else None)
