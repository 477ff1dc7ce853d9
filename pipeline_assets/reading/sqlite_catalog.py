"""Reads a table that a SQLite catalog names, without SQLAlchemy.

To import SQLAlchemy and open its engine costs a reader as much as the rest of the way to the first
row. Whoever changes a table goes through pyiceberg's catalog, which needs it.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import StaticTable, Table

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CATALOG_NAME, WAIT_SECONDS, name_damage

_LOCATION: Final = """
SELECT metadata_location FROM iceberg_tables
WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?
"""


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
    location = _location(path, namespace, name) if path.exists() else None
    if location is None:
        raise NoSuchTableError(f"Table does not exist: {identifier}")
    return StaticTable.from_metadata(location, dict(properties))


def _location(path: Path, namespace: str, name: str) -> str | None:
    # Not read-only: what a killed writer has left must be rolled back before anybody reads.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, timeout=WAIT_SECONDS, uri=True)) as connection:
            if not _has_tables(connection):
                return None
            found = connection.execute(_LOCATION, (CATALOG_NAME, namespace, name)).fetchone()
    except sqlite3.DatabaseError as error:
        name_damage(error, path)
        raise PipelineError(f"Cannot read the catalog {path}: {error}") from error
    return found and str(found[0])


def _has_tables(connection: sqlite3.Connection) -> bool:
    """Whether anything was ever published: the first publish creates the catalog's own tables."""
    named = "SELECT count(*) FROM sqlite_master WHERE name = 'iceberg_tables'"
    return bool(connection.execute(named).fetchone()[0])
