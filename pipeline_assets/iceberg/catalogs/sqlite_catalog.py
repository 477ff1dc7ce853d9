"""Reads the tables that a SQLite catalog names, without SQLAlchemy.

To import SQLAlchemy and open its engine costs a reader as much as the rest of the way to the first
row. Whoever changes a table goes through pyiceberg's catalog, which needs it.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import StaticTable, Table

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import (
    CATALOG_NAME,
    WAIT_SECONDS,
    CatalogAccess,
    name_damage,
    sqlite_path,
)

_NAMES: Final = "SELECT table_namespace, table_name FROM iceberg_tables WHERE catalog_name = ?"
_LOCATION: Final = """
SELECT metadata_location FROM iceberg_tables
WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?
"""


def reader_of(access: CatalogAccess) -> Callable[[str], Table] | None:
    """What reads a table by its identifier, if the catalog is a SQLite file; None for others."""
    path = sqlite_path(access.uri)
    return (lambda name: read_table(path, name, access.storage_properties())) if path else None


def names_of_tables(path: Path) -> list[tuple[str, str]]:
    """Namespace and name of every table that the catalog in a SQLite file knows.

    Raises:
        DamagedCatalogError: The file is no whole database.
        PipelineError: The file cannot be read.
    """
    found = _rows(path, _NAMES, ()) if path.exists() else []
    return [(str(namespace), str(name)) for namespace, name in found]


def read_table(path: Path, identifier: str, properties: Mapping[str, str]) -> Table:
    """A table as it is now, to read only.

    The layout of the catalog's tables is that of Iceberg's JDBC catalogs, which pyiceberg's SQL
    catalog has: https://iceberg.apache.org/docs/latest/jdbc/.

    Args:
        path: The SQLite file.
        identifier: What the catalog calls the table, as ``namespace.name``.
        properties: How to reach the files.

    Raises:
        NoSuchTableError: The catalog does not know it.
        DamagedCatalogError: The file is no whole database.
        PipelineError: The file cannot be read.
    """
    namespace, _, name = identifier.rpartition(".")
    found = _rows(path, _LOCATION, (namespace, name)) if path.exists() else []
    if not found:
        raise NoSuchTableError(f"Table does not exist: {identifier}")
    return StaticTable.from_metadata(str(found[0][0]), dict(properties))


def _rows(path: Path, question: str, values: tuple[str, ...]) -> Sequence[tuple[object, ...]]:
    """What the tables of this product answer; nothing before anything was published."""
    # Not read-only: what a killed writer has left must be rolled back before anybody reads.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, timeout=WAIT_SECONDS, uri=True)) as connection:
            if not _has_tables(connection):
                return []
            return connection.execute(question, (CATALOG_NAME, *values)).fetchall()
    except sqlite3.DatabaseError as error:
        name_damage(error, path)
        raise PipelineError(f"Cannot read the catalog {path}: {error}") from error


def _has_tables(connection: sqlite3.Connection) -> bool:
    """Whether anything was ever published: the first publish creates the catalog's own tables."""
    named = "SELECT count(*) FROM sqlite_master WHERE name = 'iceberg_tables'"
    return bool(connection.execute(named).fetchone()[0])
