"""Letting go of history, and of files that nobody refers to.

A table's files lie below its location: ``data/{publication}/…`` holds what one publication wrote
(Parquet, raw text below ``raw/``), ``metadata/…`` what Iceberg wrote. A Parquet file is kept while
a kept snapshot refers to it, raw text while one refers to any file of its publication, a metadata
file while the present metadata, its log or a kept snapshot refers to it. What a killed or failed
run left behind is none of these.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise, takewhile

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import beside_others, one_line_errors
from pipeline_assets.iceberg.history import FORGOTTEN, ancestry, committed_at, records_at
from pipeline_assets.iceberg.tables import Lake


@dataclass(frozen=True)
class Expired:
    """Snapshots that a table has let go of, oldest first; their files are orphans now."""

    snapshot_ids: tuple[int, ...]


@dataclass(frozen=True)
class Removed:
    """What was deleted: files and bytes."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Cleaned:
    """What was let go of in one table."""

    table: LakeTable
    expired: Expired
    removed: Removed

    def __str__(self) -> str:
        return (
            f"{self.table!s:<36} {len(self.expired.snapshot_ids)} snapshots expired, "
            f"{self.removed.files} files ({self.removed.bytes:,} bytes) removed"
        )


def clean(
    lake: Lake, store: ObjectStore, tables: Iterable[LakeTable], older_than: datetime
) -> Iterator[Cleaned]:
    """Expire the old snapshots of tables, one after the other, and remove their orphans.

    Args:
        lake: The published tables.
        store: Where their files lie.
        tables: Which ones.
        older_than: As for :func:`orphans`.

    Raises:
        PipelineError: A table or its files cannot be read or written.
    """
    for table in tables:
        expired = expire(lake, table, older_than)
        yield Cleaned(table, expired, remove_orphans(lake, store, table, older_than))


def expire(lake: Lake, table: LakeTable, older_than: datetime) -> Expired:
    """Forget what was replaced before a moment, so that the table can be restored to any since.

    The last publish is always kept. What a run may still be reading is, too, if the moment is
    earlier than the start of that run.

    Raises:
        PipelineError: The table cannot be read or written.
    """
    with one_line_errors(f"expire snapshots of {table}"):
        return _expire(lake, table, older_than)


def orphans(
    lake: Lake, store: ObjectStore, table: LakeTable, older_than: datetime
) -> tuple[StoredObject, ...]:
    """Files that nothing refers to, of publications that wrote nothing since a moment.

    Args:
        lake: The published tables.
        store: Where their files lie.
        table: Whose files to look at.
        older_than: Must be earlier than the start of any run that may still be going on, for its
            files are not referred to before it commits.

    Raises:
        PipelineError: The table or its files cannot be read, or the lake was moved.
    """
    with one_line_errors(f"look for orphans of {table}"):
        # Listed first: what a run commits from here on is found to be referred to below.
        groups = _groups(lake.location(table), store)
        iceberg = lake.load(table)
        _require_unmoved(iceberg, lake.location(table))
        referenced = set(_referenced(iceberg))
        return tuple(
            item
            for items in groups
            if max(item.modified for item in items) < older_than
            for item in _unreferenced(lake.location(table), items, referenced)
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
    """Write a table that grows by small files anew, as few large ones.

    Rows that another process appends meanwhile are kept: the commit is refused and tried again.

    Returns:
        Its rows.

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
def _expire(lake: Lake, table: LakeTable, older_than: datetime) -> Expired:
    iceberg = lake.load(table)
    if iceberg is None:
        return Expired(())
    history = pairwise(ancestry(iceberg, iceberg.metadata.current_snapshot_id))
    replaced = takewhile(lambda pair: committed_at(pair[1]) < older_than, history)
    expired = tuple(snapshot.snapshot_id for snapshot, _ in replaced)
    if expired:
        _drop(iceberg, expired)
    return Expired(expired)


def _drop(iceberg: Table, expired: tuple[int, ...]) -> None:
    """Drop the first snapshots; what they said of partitions still in force is kept in a property.

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
    """What one run writes: the files of a publication, or a single metadata file."""
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
    return [item for item in unreferenced if not (is_alive and _is_raw(location, item.uri))]


def _is_raw(location: str, uri: str) -> bool:
    _kind, _publication, *path = uri.removeprefix(f"{location}/").split("/")
    return path[:1] == ["raw"]


def _require_unmoved(iceberg: Table | None, location: str) -> None:
    if iceberg is not None and iceberg.location() != location:
        raise PipelineError(
            f"The catalog says that {location} lies at {iceberg.location()}: was the lake moved? "
            "Nothing is removed"
        )


def _referenced(iceberg: Table | None) -> Iterator[str]:
    if iceberg is None:
        return
    yield iceberg.metadata_location
    yield from (entry.metadata_file for entry in iceberg.metadata.metadata_log)
    yield from (item.statistics_path for item in iceberg.metadata.statistics)
    yield from (item.statistics_path for item in iceberg.metadata.partition_statistics)
    yield from (snapshot.manifest_list for snapshot in iceberg.metadata.snapshots)
    for manifest in _manifests(iceberg):
        yield manifest.manifest_path
        entries = manifest.fetch_manifest_entry(iceberg.io, discard_deleted=True)
        yield from (entry.data_file.file_path for entry in entries)


def _manifests(iceberg: Table) -> Iterable[ManifestFile]:
    """Every manifest of every kept snapshot, once."""
    return {
        manifest.manifest_path: manifest
        for snapshot in iceberg.metadata.snapshots
        for manifest in snapshot.manifests(iceberg.io)
    }.values()
