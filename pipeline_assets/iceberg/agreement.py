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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pyiceberg.exceptions import NoSuchTableError, ValidationError
from pyiceberg.io import FileIO
from pyiceberg.table import Table

from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.dataset.values.table import Readable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import RECOVER, CatalogAccess, one_line_errors
from pipeline_assets.storage.s3_access import S3_SCHEME, is_in_s3_tables

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
    if is_in_s3_tables(folder):  # only tables are kept there, and nobody asks for the hint
        return
    with io.new_output(f"{folder}/{_HINT}").create(overwrite=True) as stream:
        stream.write(name.removesuffix(_METADATA).encode())


def _hinted_version(iceberg: Table) -> int:
    """The number of the commit that the hint names; -1 where there is none."""
    folder = iceberg.metadata_location.rpartition("/")[0]
    hint = iceberg.io.new_input(f"{folder}/{_HINT}")
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


def location_of(access: CatalogAccess, table: Readable) -> str:
    """Where a table's files lie: at its place in the lake, or where its catalog has put it.

    Raises:
        PipelineError: A catalog that chooses places cannot be asked.
    """
    if access.chooses_places and access.identifier(table) not in access.chosen:
        with one_line_errors(f"find {table}"):
            load(access, table)
    return _known_location(access, table)


def _known_location(access: CatalogAccess, table: Readable) -> str:
    return access.chosen.get(access.identifier(table), access.place(table))


def load(
    access: CatalogAccess, table: Readable, load_table: Callable[[str], Table] | None = None
) -> Table | None:
    """The table as the catalog knows it; None where nothing was ever published.

    Args:
        access: To the catalog.
        table: The table.
        load_table: Asks the catalog for a table by its name; by default the catalog itself does.

    Raises:
        PipelineError: Storage holds the table and the catalog does not know it, knows it at a place
            that it cannot have, or names metadata that cannot be read.
    """
    try:
        ask = load_table or access.open().load_table
        iceberg = ask(access.identifier(table))
    except NoSuchTableError:
        access.chosen.pop(access.identifier(table), None)
        _require_unpublished(access, table)
        return None
    except (FileNotFoundError, ValueError, ValidationError) as error:
        raise _unreadable(access, table, error) from error
    _accept_place(access, table, iceberg.location().rstrip("/"))
    return iceberg


def _accept_place(access: CatalogAccess, table: Readable, location: str) -> None:
    """Keep in mind where somebody else's catalog has put a table; ours puts none elsewhere.

    Raises:
        PipelineError: The lake cannot reach that place, or the catalog is that of another lake.
    """
    if access.chooses_places:
        beginning = S3_SCHEME if access.warehouse.startswith(S3_SCHEME) else "/"
        if not location.startswith(beginning):
            raise PipelineError(
                f"the catalog keeps {table} at {location}, which a lake in {access.warehouse} does "
                "not read: PIPELINE_LAKE_URI must be of the same kind"
            )
        access.chosen[access.identifier(table)] = location
    elif location != access.place(table):
        raise PipelineError(
            f"the catalog says that {access.place(table)} lies at {location}; if the lake was "
            f"moved or copied, {RECOVER}"
        )


def _unreadable(access: CatalogAccess, table: Readable, error: Exception) -> PipelineError:
    newest = _newest(access.store, _known_location(access, table))
    there = f"; the newest in storage is {newest.stored.uri}" if newest else ""
    what = str(error).splitlines()[0]
    return PipelineError(
        f"the catalog names metadata of {table} that cannot be read ({what}){there}: {RECOVER}"
    )


def load_to_commit(access: CatalogAccess, table: Readable) -> Table | None:
    """The same for a commit, which an old catalog would let undo what was published since.

    Raises:
        PipelineError: As :func:`load`, or storage holds newer commits than the catalog knows.
    """
    return as_new_as_storage(access, table, load(access, table))


def as_new_as_storage(
    access: CatalogAccess, table: Readable, iceberg: Table | None
) -> Table | None:
    """What was loaded of a table, or what the catalog has learnt of it since.

    Raises:
        PipelineError: Storage holds newer commits than the catalog knows.
    """
    location = _known_location(access, table)
    # What lies in S3 Tables is listed for nobody, and changed by nobody but its catalog.
    if iceberg is None or is_in_s3_tables(location):
        return iceberg
    newest = _hinted_version(iceberg)
    if newest < 0:
        # Versions up to 0.1 left no hint. One commit more than the catalog knows is what a process
        # leaves that was killed between storage and catalog.
        newest = newest_version(access.store, location) - 1
    if newest > version_of(iceberg.metadata_location):
        # Unless the catalog has learnt meanwhile of what was committed since it was asked.
        iceberg = load(access, table)
        known = version_of(iceberg.metadata_location) if iceberg else -1
        if newest > known:
            raise PipelineError(behind_line(table, known, newest_version(access.store, location)))
    return iceberg


def _require_unpublished(access: CatalogAccess, table: Readable) -> None:
    """Make sure that a table that the catalog does not know was never published.

    Raises:
        PipelineError: Storage holds it.
    """
    location = access.place(table)
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
