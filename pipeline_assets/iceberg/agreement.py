"""Whether the catalog and the storage agree about a table.

A commit writes a metadata file first, whose name begins with the commit's number, and then has the
catalog name it. So a number in storage that is far above the catalog's proves that the catalog is
older than the table, and metadata of a table that the catalog does not know proves that the catalog
is not the table's. In both cases nothing may be removed or published before `pipeline-assets
recover` has looked at what storage holds.

Nobody lists the metadata of a table at every commit: whoever commits leaves a hint of the newest
metadata file, under the name and in the form in which Iceberg's own readers look for it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pyiceberg.exceptions import NoSuchTableError, ValidationError
from pyiceberg.io import FileIO
from pyiceberg.table import Table

from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.dataset.values.table import Readable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import RECOVER, CatalogAccess

_HINT: Final = "version-hint.text"
_METADATA: Final = ".metadata.json"
_METADATA_NAME: Final = re.compile(r"(\d+)-[0-9a-f-]{36}(\.gz)?\.metadata\.json")


@dataclass(frozen=True)
class MetadataFile:
    """A metadata file in storage, and the number of the commit that wrote it."""

    version: int
    stored: StoredObject


def version_of(uri: str) -> int:
    """The number of the commit that wrote a metadata file; -1 if the name has none."""
    match = _METADATA_NAME.fullmatch(uri.rpartition("/")[2])
    return int(match[1]) if match else -1


def version_in(text: str) -> int:
    """The number of the commit whose metadata file a message names; -1 if it names none."""
    match = _METADATA_NAME.search(text)
    return int(match[1]) if match else -1


def metadata_files(listed: Iterable[StoredObject]) -> Iterator[MetadataFile]:
    """Those of the listed objects that are metadata files of a table."""
    for item in listed:
        version = version_of(item.uri)
        if version >= 0:
            yield MetadataFile(version, item)


def write_hint(io: FileIO, metadata_uri: str) -> None:
    """Leave a hint of the newest metadata file beside it.

    Raises:
        OSError: It cannot be written.
    """
    folder, _, name = metadata_uri.rpartition("/")
    with io.new_output(f"{folder}/{_HINT}").create(overwrite=True) as stream:
        stream.write(name.removesuffix(_METADATA).encode())


def _hinted_version(io: FileIO, location: str) -> int:
    """The number of the commit that the hint names; -1 where there is none."""
    hint = io.new_input(f"{location}/metadata/{_HINT}")
    if not hint.exists():
        return -1
    with hint.open() as stream:
        return version_of(stream.read().decode(errors="replace") + _METADATA)


def newest_version(store: ObjectStore, location: str) -> int:
    """The number of the last commit that storage knows of; -1 where there is none.

    It lists the whole folder.
    """
    newest = _newest(store, location)
    return newest.version if newest else -1


def _newest(store: ObjectStore, location: str) -> MetadataFile | None:
    files = metadata_files(store.list(f"{location}/metadata"))
    return max(files, key=lambda file: file.version, default=None)


def load(access: CatalogAccess, table: Readable, location: str) -> Table | None:
    """The table as the catalog knows it; None where nothing was ever published.

    Args:
        access: To the catalog.
        table: The table.
        location: Where its files lie.

    Raises:
        PipelineError: Storage holds the table and the catalog does not know it, knows it at another
            place, or names metadata that cannot be read.
    """
    try:
        iceberg = access.open().load_table(access.identifier(table))
    except NoSuchTableError:
        _require_unpublished(access, table, location)
        return None
    except (FileNotFoundError, ValueError, ValidationError) as error:
        raise _unreadable(access, table, location, error) from error
    if iceberg.location() != location:
        raise PipelineError(
            f"the catalog says that {location} lies at {iceberg.location()}; if the lake was moved "
            f"or copied, {RECOVER}"
        )
    return iceberg


def _unreadable(
    access: CatalogAccess, table: Readable, location: str, error: Exception
) -> PipelineError:
    newest = _newest(access.store, location)
    there = f"; the newest in storage is {newest.stored.uri}" if newest else ""
    what = str(error).splitlines()[0]
    return PipelineError(
        f"the catalog names metadata of {table} that cannot be read ({what}){there}: {RECOVER}"
    )


def load_to_commit(access: CatalogAccess, table: Readable, location: str) -> Table | None:
    """The same for a commit, which an old catalog would let undo what was published since.

    Raises:
        PipelineError: As :func:`load`, or storage holds newer commits than the catalog knows.
    """
    iceberg = load(access, table, location)
    if iceberg is None:
        return None
    newest = _hinted_version(iceberg.io, location)
    if newest < 0:
        # Versions up to 0.1 left no hint. One commit more than the catalog knows is what a process
        # leaves that was killed between storage and catalog.
        newest = newest_version(access.store, location) - 1
    if newest > version_of(iceberg.metadata_location):
        # Unless the catalog has learnt meanwhile of what was committed since it was asked.
        iceberg = load(access, table, location)
        known = version_of(iceberg.metadata_location) if iceberg else -1
        if newest > known:
            raise PipelineError(behind_line(table, known, newest_version(access.store, location)))
    return iceberg


def _require_unpublished(access: CatalogAccess, table: Readable, location: str) -> None:
    """Make sure that a table that the catalog does not know was never published.

    Raises:
        PipelineError: Storage holds it.
    """
    # The first metadata file is written before the catalog knows the table, and holds no snapshot.
    if newest_version(access.store, location) < 1:
        return
    # Another process may have published the table for the first time since the catalog was asked.
    if not access.open().table_exists(access.identifier(table)):
        raise PipelineError(
            f"the catalog does not know {table}, but {location} holds it: {RECOVER}"
        )


def behind_line(table: object, known: int, newest: int) -> str:
    """What to say of a table of which the catalog knows an older state than storage."""
    return (
        f"the catalog knows commit {known} of {table}, but storage holds commit {newest}: {RECOVER}"
    )
