"""A catalog of SQLite says whether it has changed, and never keeps anybody waiting."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline_assets.reading.changes import SqliteChanges


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.db"
    changed(path, "CREATE TABLE tables (name TEXT)")
    return path


def changed(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(sql)


def test_the_mark_differs_after_a_change_only(catalog: Path) -> None:
    changes = SqliteChanges(catalog)
    before = changes.mark()
    assert before is not None
    assert changes.mark() == before
    changed(catalog, "INSERT INTO tables VALUES ('users')")
    assert changes.mark() not in (before, None)


def test_a_file_that_takes_the_place_of_another_is_a_change(catalog: Path, tmp_path: Path) -> None:
    changes = SqliteChanges(catalog)
    before = changes.mark()
    other = tmp_path / "other.db"
    changed(other, "CREATE TABLE tables (name TEXT)")
    other.replace(catalog)
    assert changes.mark() not in (before, None)


def test_a_catalog_that_somebody_changes_at_this_moment_cannot_say(catalog: Path) -> None:
    changes = SqliteChanges(catalog)
    before = changes.mark()
    with closing(sqlite3.connect(catalog, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert changes.mark() is None
        assert time.monotonic() - began < 1, "a server asks from its event loop"
        writer.execute("ROLLBACK")
    assert changes.mark() == before


def test_a_catalog_that_is_gone_or_damaged_cannot_say(catalog: Path) -> None:
    changes = SqliteChanges(catalog)
    assert changes.mark()
    catalog.unlink()
    assert changes.mark() is None
    catalog.write_bytes(b"no database " * 1000)
    assert changes.mark() is None
