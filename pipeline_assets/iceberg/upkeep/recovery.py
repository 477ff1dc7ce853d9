"""Rebuilding the catalog from what storage holds.

A catalog is one pointer for each table: to the metadata file that is in force. Storage holds the
metadata of the last commits, so the pointers can be found again. For each table the newest metadata
is taken that can be read with its manifests; where newer ones are damaged, the message says so.

Nothing in the lake is changed or removed. A table that was moved, or whose newest metadata is
damaged, gets new metadata beside the old, with the next number. Stop whatever publishes first.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, ValidationError
from pyiceberg.io import FileIO, load_file_io
from pyiceberg.serializers import ToOutputFile

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.agreement import version_in, write_hint
from pipeline_assets.iceberg.catalog import CatalogAccess, one_line_errors, sqlite_path
from pipeline_assets.iceberg.upkeep.held_tables import (
    BareTable,
    HeldTable,
    State,
    state_in,
    tables_in,
)


@dataclass(frozen=True)
class Recovered:
    """What became of one table, or would.

    Attributes:
        name: The table.
        details: What the catalog says of it now.
        is_changed: Whether the catalog said something else before.
        losses: What is lost, a line each.
    """

    name: str
    details: str
    is_changed: bool = False
    losses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name:<36} {self.details}"


def set_damaged_aside(access: CatalogAccess, *, is_dry: bool = False) -> Path | None:
    """Rename a SQLite catalog that is no whole database any more, so that there can be a new one.

    Args:
        access: To the catalog.
        is_dry: Only say what would be done.

    Returns:
        Its new name; None if the catalog can be read, or is kept by a server.

    Raises:
        PipelineError: The catalog cannot be reached.
    """
    path = sqlite_path(access.uri)
    with one_line_errors("open the catalog"):
        if path is None or not path.exists() or _is_whole(path):
            return None
        aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        if not is_dry:
            for file in path.parent.glob(f"{path.name}-*"):  # a journal of the damaged file
                file.rename(aside.with_name(aside.name + file.name.removeprefix(path.name)))
            path.rename(aside)
        return aside


def _is_whole(path: Path) -> bool:
    """Whether a file is a SQLite database of which every page is sound.

    Raises:
        PipelineError: The database is locked or the disk is full, which says nothing about it.
    """
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database:
            return bool(database.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.OperationalError as error:
        raise PipelineError(f"Cannot read the catalog {path}: {error}") from error
    except sqlite3.DatabaseError:
        return False


def without_catalog(access: CatalogAccess) -> CatalogAccess:
    """The same lake with a catalog in memory that knows no table."""
    return replace(access, uri="sqlite://")


def recover(access: CatalogAccess, *, is_dry: bool = False) -> Iterator[Recovered]:
    """Register every table that storage holds.

    Args:
        access: To the catalog and to the lake.
        is_dry: Only say what would be done.

    Raises:
        PipelineError: Catalog or storage cannot be reached.
    """
    with one_line_errors("recover the catalog"):
        catalog = access.open()
        held: set[str] = set()
        bare: set[str] = set()
        for table in tables_in(access.store, access.warehouse):
            if isinstance(table, BareTable):
                bare.add(table.name)
                continue
            held.add(table.name)
            if elsewhere := _chosen_place(access, table):
                yield Recovered(table.name, f"left as it is: its catalog keeps it at {elsewhere}")
                continue
            yield _Recovery(catalog, table, is_dry=is_dry).perform()
        yield from _lost_tables(access, catalog, held, bare, is_dry=is_dry)


def _chosen_place(access: CatalogAccess, table: HeldTable) -> str | None:
    """Where somebody else's catalog keeps a table of the same name, if it is another place."""
    if not access.chooses_places or not access.open().table_exists(table.name):
        return None
    location = access.open().load_table(table.name).location().rstrip("/")
    return location if location != table.location else None


def _lost_tables(
    access: CatalogAccess,
    catalog: Catalog,
    held: Collection[str],
    bare: Collection[str],
    *,
    is_dry: bool,
) -> Iterator[Recovered]:
    """Tables that were published, but of which storage holds no metadata any more."""
    spaces = access.namespaces()
    known = {".".join(name) for space in spaces for name in catalog.list_tables(space)}
    for name in sorted({*known, *bare}.difference(held)):
        location = f"{access.warehouse}/{name.replace('.', '/')}"
        if name in known and not _has_lost_metadata(catalog, name, location):
            continue
        if name in known and not is_dry:
            # The catalog names what is not there, so nobody could publish the table anew.
            catalog.drop_table(name)
        line = f"no metadata lies in {location}/metadata any more: {_ANEW}"
        yield Recovered(name, "cannot be recovered", name in known, (line,))


def _has_lost_metadata(catalog: Catalog, name: str, location: str) -> bool:
    """Whether the catalog names metadata of a table at this place that is not there."""
    try:
        catalog.load_table(name)
    except FileNotFoundError as error:
        return location in str(error)
    return False


@dataclass(frozen=True)
class _Recovery:
    catalog: Catalog
    table: HeldTable
    is_dry: bool

    def perform(self) -> Recovered:
        io = load_file_io(self.catalog.properties, self.table.location)
        known, damaged = self._known()
        # Of two commits with the same number only one came into force: the one the catalog names.
        candidates = sorted(
            self.table.metadata, key=lambda it: (it.version, it.stored.uri == known), reverse=True
        )
        for file in candidates:
            try:
                state = state_in(self.table, file, io)
            except PipelineError as error:
                damaged.append(f"commit {file.version} is lost: {error}")
                continue
            return self._register(state, known, damaged, io)
        return Recovered(self.table.name, "cannot be recovered", losses=tuple(damaged))

    def _register(
        self, state: State, known: str | None, damaged: list[str], io: FileIO
    ) -> Recovered:
        uri = state.file.stored.uri
        losses = [*damaged, *(f"{file} is missing or cut: {_REPAIR}" for file in state.absent)]
        is_whole = not damaged and not state.relocation.is_needed
        is_changed, details = known != uri or not is_whole, _details(state, known, uri)
        if not self.is_dry:
            if is_changed:
                uri = uri if is_whole else self._rewritten(state, io)
                self._point_to(uri, known)
            # Even if the catalog was right: the hint may name a commit that is lost.
            write_hint(io, uri)
        return Recovered(self.table.name, details, is_changed, tuple(losses))

    def _known(self) -> tuple[str | None, list[str]]:
        """The metadata that the catalog names, empty if it cannot be read; and what is lost."""
        try:
            return self.catalog.load_table(self.table.name).metadata_location, []
        except NoSuchTableError:
            return None, []
        except FileNotFoundError as error:
            # The metadata that an old catalog names may have gone long ago, and newer may be there.
            missing = version_in(str(error))
            is_newest = missing > self.table.metadata[0].version
            return "", [f"commit {missing} is lost: {error}"] if is_newest else []
        except (ValueError, ValidationError):
            return "", []

    def _rewritten(self, state: State, io: FileIO) -> str:
        """Write the state as the newest, because nobody reads what has lower numbers."""
        metadata = state.metadata
        if state.relocation.is_needed:
            metadata = state.relocation.rewrite(metadata, io)
        version = self.table.metadata[0].version + 1
        uri = f"{self.table.location}/metadata/{version:05d}-{uuid4()}.metadata.json"
        ToOutputFile.table_metadata(metadata, io.new_output(uri))
        return uri

    def _point_to(self, uri: str, known: str | None) -> None:
        namespace = self.table.name.partition(".")[0]
        self.catalog.create_namespace_if_not_exists(namespace)
        if known is not None:
            self.catalog.drop_table(self.table.name)
        self.catalog.register_table(self.table.name, uri)


_REPAIR = "pipeline-assets update --repair"
_ANEW = "pipeline-assets update publishes the table anew"


def _details(state: State, known: str | None, uri: str) -> str:
    snapshots = len(state.metadata.snapshots)
    what = f"commit {state.file.version}, {snapshots} snapshots, {state.files} files"
    if state.relocation.is_needed:
        return f"moved here from {state.relocation.former}: {what}"
    if known == uri:
        return f"as the catalog says: {what}"
    return f"{'registered' if known is None else 'registered anew'}: {what}"
