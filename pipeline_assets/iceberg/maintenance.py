"""Maintenance: expire old snapshots, and delete files that nothing refers to.

A table's files lie below its location: ``data/{publication}/…`` holds what one publication wrote
(Parquet, and raw text below ``raw/``), ``metadata/…`` holds what Iceberg wrote. A Parquet file
stays while a snapshot refers to it. Raw text stays while a snapshot refers to any file of its
publication. A metadata file stays while the present metadata, its log or a snapshot refers to it.
Nothing refers to the files of a run that was killed or has failed.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise, takewhile

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import beside_others, one_line_errors
from pipeline_assets.iceberg.history import FORGOTTEN, ancestry, committed_at, records_at
from pipeline_assets.iceberg.tables import Lake


@dataclass(frozen=True)
class Removed:
    """Number and size of deleted files."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Cleaned:
    """What maintenance has removed from one table.

    Attributes:
        table: The table.
        expired: Ids of the expired snapshots, oldest first; their files are orphans now.
        removed: The orphans that were deleted.
    """

    table: LakeTable
    expired: tuple[int, ...]
    removed: Removed

    def __str__(self) -> str:
        return (
            f"{self.table!s:<36} {len(self.expired)} snapshots expired, "
            f"{self.removed.files} files ({self.removed.bytes:,} bytes) removed"
        )


def clean(
    lake: Lake, store: ObjectStore, tables: Iterable[LakeTable], older_than: datetime
) -> Iterator[Cleaned]:
    """Expire old snapshots and remove orphans, table by table.

    Args:
        lake: The published tables.
        store: Where their files lie.
        tables: The tables to clean.
        older_than: As for :func:`orphans`.

    Raises:
        PipelineError: A table or its files cannot be read or written.
    """
    for table in tables:
        expired = expire(lake, table, older_than)
        yield Cleaned(table, expired, remove_orphans(lake, store, table, older_than))


def expire(lake: Lake, table: LakeTable, older_than: datetime) -> tuple[int, ...]:
    """Expire the snapshots that were replaced before a moment, and return their ids.

    The table can be restored to every state since that moment. The present snapshot never expires.
    A run keeps the snapshots that it reads if it started after the moment.

    Raises:
        PipelineError: The table cannot be read or written.
    """
    with one_line_errors(f"expire snapshots of {table}"):
        return _expire(lake, table, older_than)


def orphans(
    lake: Lake, store: ObjectStore, table: LakeTable, older_than: datetime
) -> tuple[StoredObject, ...]:
    """Files without a reference, of publications that have written nothing since a moment.

    Args:
        lake: The published tables.
        store: Where their files lie.
        table: The table whose files are listed.
        older_than: Must be earlier than the start of every unfinished run, because nothing refers
            to a run's files before it commits.

    Raises:
        PipelineError: The table or its files cannot be read, or the lake was moved.
    """
    with one_line_errors(f"find orphans of {table}"):
        # The files are listed before the references are read: files of a run that commits in
        # between then have a reference.
        location = lake.location(table)
        groups = _groups(location, store)
        iceberg = lake.load(table)
        if iceberg is not None and iceberg.location() != location:
            raise PipelineError(
                f"The catalog says that {location} lies at {iceberg.location()}: was the lake "
                "moved? Nothing is removed"
            )
        referenced = set(_referenced(iceberg))
        return tuple(
            item
            for items in groups
            if max(item.modified for item in items) < older_than
            for item in _unreferenced(location, items, referenced)
        )


def remove_orphans(
    lake: Lake, store: ObjectStore, table: LakeTable, older_than: datetime
) -> Removed:
    """Delete what :func:`orphans` finds.

    Raises:
        PipelineError: As :func:`orphans`, or a file cannot be deleted.
    """
    found = orphans(lake, store, table, older_than)
    store.delete(item.uri for item in found)
    return Removed(len(found), sum(item.size for item in found))


def compact(lake: Lake, table: LakeTable) -> int:
    """Rewrite a table of many small files as a few large ones.

    No row is lost that another process appends meanwhile: the commit is refused and repeated.

    Returns:
        The number of its rows.

    Raises:
        PipelineError: The table cannot be read or written.
    """
    with one_line_errors(f"compact {table}"):
        return _compact(lake, table)


@beside_others
def _compact(lake: Lake, table: LakeTable) -> int:
    iceberg = lake.load(table)
    if iceberg is None:
        return 0
    rows = iceberg.scan().to_arrow()
    with iceberg.transaction() as transaction:
        transaction.overwrite(rows)
    return int(rows.num_rows)


@beside_others
def _expire(lake: Lake, table: LakeTable, older_than: datetime) -> tuple[int, ...]:
    iceberg = lake.load(table)
    if iceberg is None:
        return ()
    history = pairwise(ancestry(iceberg, iceberg.metadata.current_snapshot_id))
    replaced = takewhile(lambda pair: committed_at(pair[1]) < older_than, history)
    expired = tuple(snapshot.snapshot_id for snapshot, _ in replaced)
    if expired:
        _drop(iceberg, expired)
    return expired


def _drop(iceberg: Table, expired: tuple[int, ...]) -> None:
    """Drop the first snapshots; their records of partitions still in force move to a property.

    Raises:
        CommitFailedException: Another process has just dropped some of them.
    """
    forgotten = {key: asdict(record) for key, record in records_at(iceberg, expired[-1]).items()}
    try:
        with iceberg.transaction() as transaction:
            transaction.set_properties({FORGOTTEN: json.dumps(forgotten)})
            ExpireSnapshots(transaction).by_ids(list(expired)).commit()
    except ValueError as error:
        raise CommitFailedException(str(error)) from error


def _groups(location: str, store: ObjectStore) -> Iterable[list[StoredObject]]:
    """Group the files by what one run writes: a publication, or a single metadata file."""
    groups: dict[str, list[StoredObject]] = defaultdict(list)
    for folder in (f"{location}/data", f"{location}/metadata"):
        for item in store.list(folder):
            name = item.uri.removeprefix(f"{folder}/").partition("/")[0]
            groups[f"{folder}/{name}"].append(item)
    return groups.values()


def _unreferenced(
    location: str, items: Sequence[StoredObject], referenced: Collection[str]
) -> list[StoredObject]:
    unreferenced = [item for item in items if item.uri not in referenced]
    is_alive = len(unreferenced) < len(items)
    # No snapshot refers to raw text itself; it belongs to the Parquet files of its publication.
    return [
        item
        for item in unreferenced
        if not (is_alive and item.uri.removeprefix(f"{location}/").split("/")[2:3] == ["raw"])
    ]


def _referenced(iceberg: Table | None) -> Iterator[str]:
    if iceberg is None:
        return
    yield iceberg.metadata_location
    yield from (entry.metadata_file for entry in iceberg.metadata.metadata_log)
    yield from (item.statistics_path for item in iceberg.metadata.statistics)
    yield from (item.statistics_path for item in iceberg.metadata.partition_statistics)
    yield from (snapshot.manifest_list for snapshot in iceberg.metadata.snapshots)
    # Snapshots share most manifests, and each one costs a read of a file.
    manifests = {
        manifest.manifest_path: manifest
        for snapshot in iceberg.metadata.snapshots
        for manifest in snapshot.manifests(iceberg.io)
    }
    for manifest in manifests.values():
        yield manifest.manifest_path
        entries = manifest.fetch_manifest_entry(iceberg.io, discard_deleted=True)
        yield from (entry.data_file.file_path for entry in entries)
