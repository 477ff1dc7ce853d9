"""Backup of the small things that are not in the lake: a catalog in SQLite, and the Dagster home.

A database is copied while others write to it; SQLite sees to it that the copy is whole. What is
kept by servers (Glue, a Postgres catalog, Dagster's Postgres) is for their own backups.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import sqlite_path

if TYPE_CHECKING:
    from pipeline_assets.command.session import Session

CATALOG: Final = "catalog.db"
HOME: Final = "home"
_KEPT: Final = ("history", "schedules")
"""Folders of a Dagster home: runs, events, dynamic partitions, cursors. The others are logs."""


def back_up(session: "Session", to: str) -> tuple[str, int]:
    """Copy catalog and Dagster home into a new folder below ``to``.

    Returns:
        The folder, and the number of files in it.

    Raises:
        PipelineError: A database is damaged, the catalog is lost or older than what storage holds,
            or the place cannot be written.
    """
    session.deployment.lake.published()
    folder = f"{place_of(to)}/{datetime.now(UTC):%Y-%m-%dT%H%M%S}"
    store, copied = session.deployment.store(folder), 0
    for name, path in _sources(session):
        store.put(f"{folder}/{name}", _copy(path))
        copied += 1
    return folder, copied


def take_back(session: "Session", place: str) -> int:
    """Copy a backup to where the settings say, without overwriting anything.

    Returns:
        The number of files that were missing and are there again.

    Raises:
        PipelineError: There is no backup, or the Dagster home is in use already.
    """
    folder = place_of(place)
    store = session.deployment.store(folder)
    found = [item.uri for item in store.list(folder)]
    if not found:
        raise PipelineError(f"{folder} holds no backup; name the folder that `backup` wrote")
    home = session.settings.dagster_home.resolve()
    in_use = [name for name in _KEPT if (home / name).exists()]
    if in_use and any(uri.startswith(f"{folder}/{HOME}/") for uri in found):
        raise PipelineError(f"{home / in_use[0]} exists: move it away, or recover without --from")
    taken = 0
    for uri in found:
        target = _target(session, uri.removeprefix(f"{folder}/"))
        if target and not (target.exists() and target.stat().st_size):
            target.parent.mkdir(parents=True, exist_ok=True)
            with closing(store.open(uri)) as stream:
                target.write_bytes(stream.read())
            taken += 1
    return taken


def place_of(text: str) -> str:
    """An absolute folder, or an ``s3://`` prefix."""
    return text.rstrip("/") if text.startswith("s3://") else str(Path(text).expanduser().resolve())


def _sources(session: "Session") -> Iterator[tuple[str, Path]]:
    catalog = sqlite_path(session.deployment.lake.access.uri)
    if catalog and catalog.exists():
        yield CATALOG, catalog
    home = session.settings.dagster_home.resolve()
    for folder in _KEPT:
        for path in sorted((home / folder).rglob("*.db")):
            yield f"{HOME}/{path.relative_to(home)}", path
    if (home / "dagster.yaml").exists():
        yield f"{HOME}/dagster.yaml", home / "dagster.yaml"


def _copy(path: Path) -> bytes:
    if path.suffix != ".db":
        return path.read_bytes()
    with TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        try:
            with (
                closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
        except sqlite3.Error as error:
            raise PipelineError(f"{path} cannot be copied: {error}") from error
        return copy.read_bytes()


def _target(session: "Session", name: str) -> Path | None:
    """Where a file of a backup belongs; None if the settings keep that elsewhere now."""
    if name == CATALOG:
        return sqlite_path(session.deployment.lake.access.uri)
    folder, _, path = name.partition("/")
    return session.settings.dagster_home.resolve() / path if folder == HOME else None
