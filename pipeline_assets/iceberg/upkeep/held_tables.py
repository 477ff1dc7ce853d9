"""What storage holds of a table, whatever a catalog says: its metadata and its files.

One listing of the lake finds everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.io import FileIO
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.agreement import MetadataFile, metadata_files
from pipeline_assets.iceberg.history import damaged_uris
from pipeline_assets.iceberg.upkeep.manifests import entries_of, manifests_of
from pipeline_assets.iceberg.upkeep.relocation import Relocation
from pipeline_assets.storage.environments import FOLDER


@dataclass(frozen=True)
class HeldTable:
    """A table as storage holds it.

    Attributes:
        name: ``namespace.table``.
        location: Where it lies.
        metadata: Its metadata files, newest first.
        sizes: Size of each of its files, by URI.
    """

    name: str
    location: str
    metadata: tuple[MetadataFile, ...]
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class State:
    """What a metadata file says of a table, if it can be read with all that it leads to.

    Attributes:
        file: The metadata file.
        relocation: From where the table was written to where it lies.
        metadata: Its content, for readers at the new place.
        absent: Data files of the present snapshot that are missing or have another size.
        files: Number of data files of the present snapshot.
    """

    file: MetadataFile
    relocation: Relocation
    metadata: TableMetadata
    absent: tuple[str, ...]
    files: int


@dataclass(frozen=True)
class BareTable:
    """A table of which manifests lie in the lake, so that it was published, but no metadata."""

    name: str


def tables_in(store: ObjectStore, lake_uri: str) -> Iterator[HeldTable | BareTable]:
    """Every table that was published into the lake, ordered by name, by one listing of it."""
    found = (item for item in store.list(lake_uri) if _is_of_a_table(_place(item, lake_uri)))
    for (namespace, name), items in groupby(found, lambda item: _place(item, lake_uri)[:2]):
        listed, location = list(items), f"{lake_uri}/{namespace}/{name}"
        beside = [it for it in listed if f"{location}/metadata/" in it.uri]
        metadata = list(metadata_files(beside))
        # The first metadata file is written before anything is published.
        if any(file.version > 0 for file in metadata):
            newest_first = sorted(
                metadata, key=lambda file: (file.version, file.stored.modified), reverse=True
            )
            sizes = {item.uri: item.size for item in listed}
            yield HeldTable(f"{namespace}.{name}", location, tuple(newest_first), sizes)
        elif _is_bare([item.uri for item in beside]):
            yield BareTable(f"{namespace}.{name}")


def _is_of_a_table(place: Sequence[str]) -> bool:
    """Environments are no tables of the lake that they lie in."""
    return len(place) > 2 and place[0] != FOLDER


def _is_bare(uris: Sequence[str]) -> bool:
    has_metadata = any(uri.endswith(".metadata.json") for uri in uris)
    return not has_metadata and any(uri.endswith(".avro") for uri in uris)


def _place(item: StoredObject, lake_uri: str) -> list[str]:
    return item.uri.removeprefix(f"{lake_uri}/").split("/")


def state_in(table: HeldTable, file: MetadataFile, io: FileIO) -> State:
    """Read a metadata file, and the manifests and records of its present snapshot.

    Raises:
        PipelineError: One of them is damaged or missing; the message names it.
    """
    try:
        written = FromInputFile.table_metadata(io.new_input(file.stored.uri))
    except Exception as error:  # whatever the bytes of a damaged file make of the parser
        what = next(iter(str(error).splitlines()), type(error).__name__)
        raise PipelineError(f"{file.stored.uri} is damaged ({what})") from error
    relocation = Relocation(written.location, table.location)
    metadata = relocation.metadata(written) if relocation.is_needed else written
    # This table is only read, so no catalog need know it.
    held = Table(("held",), metadata, file.stored.uri, io, NoopCatalog("none"))
    if damaged := next(damaged_uris(held), None):
        raise PipelineError(f"{damaged} is damaged or missing")
    current = metadata.current_snapshot()
    sizes = _data_files(current, relocation, io) if current else {}
    absent = tuple(uri for uri, size in sizes.items() if table.sizes.get(uri) != size)
    return State(file, relocation, metadata, absent, len(sizes))


def _data_files(snapshot: Snapshot, relocation: Relocation, io: FileIO) -> dict[str, int]:
    """Size of each data file of a snapshot, by the URI where it must lie now."""
    manifests = manifests_of([snapshot], io).values()
    entries = entries_of(map(relocation.manifest, manifests), io)
    return {
        relocation.uri(entry.data_file.file_path): entry.data_file.file_size_in_bytes
        for entry in entries
    }
