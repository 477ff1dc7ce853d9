"""The history of a table: the partition records of the present and of every kept snapshot.

A snapshot's summary names the files that hold the records in force at it, and holds those of the
partitions that it replaced itself, unless they are many. Where a summary cannot say it, because
the snapshot is older than this way or because checks were passed later, an index does: one more
file, by the ids of snapshots, that a table property names. A snapshot that another program has
committed has the records of the one before it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot, Summary

from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.iceberg.records import former
from pipeline_assets.iceberg.records.files import (
    RecordFile,
    Records,
    dumped,
    extended,
    is_whole,
    names_in,
    read,
    read_json,
    uri_of,
    write,
)

OWN: Final = "pipeline."
"""What the names of our properties of tables and snapshots begin with."""
INDEX: Final = "pipeline.records"
"""Table property that names the index; in a summary, the list of the files of records."""
_REPLACED_IN: Final = "pipeline.partitions-file"
_MOST_IN_SUMMARY: Final = 1500
"""Characters: metadata of all kept snapshots is read and written by every commit."""


@dataclass(frozen=True)
class HistoryEntry:
    """One publish: its time, and the records of the partitions that it replaced."""

    snapshot_id: int
    committed_at: datetime
    operation: str
    records: Records
    is_current: bool


def ancestry(iceberg: Table, snapshot_id: int | None) -> list[Snapshot]:
    """A snapshot and those kept of the ones before it, oldest first."""
    logged = {entry.snapshot_id for entry in iceberg.metadata.snapshot_log}
    before = sorted(
        (it for it in iceberg.metadata.snapshots if it.snapshot_id in logged), key=_number
    )
    chain: list[Snapshot] = []
    snapshot = iceberg.snapshot_by_id(snapshot_id) if snapshot_id else None
    while snapshot is not None:
        chain.append(snapshot)
        parent = snapshot.parent_snapshot_id
        # Whose parent has gone follows the newest one that is kept of those before it.
        while before and _number(before[-1]) >= _number(snapshot):
            before.pop()
        gone = before[-1] if before else None
        snapshot = (iceberg.snapshot_by_id(parent) if parent else None) or gone
    return chain[::-1]


def _number(snapshot: Snapshot) -> int:
    return snapshot.sequence_number or 0


def current_records(iceberg: Table) -> dict[str, PartitionRecord]:
    """The present records by partition key.

    Raises:
        PipelineError: A file of records is damaged or missing.
    """
    if former.properties_of(iceberg):
        return _existing(former.present(iceberg))
    current = iceberg.metadata.current_snapshot_id
    return records_at(iceberg, current) if current else {}


def records_at(iceberg: Table, snapshot_id: int) -> dict[str, PartitionRecord]:
    """The records in force at a snapshot.

    Raises:
        PipelineError: A file of records is damaged or missing.
    """
    if former.properties_of(iceberg):
        return _existing(former.at(iceberg, snapshot_id))
    names = names_in(listed_at(iceberg, snapshot_id))
    return _existing(read(iceberg.io, iceberg.location(), names))


def listed_at(iceberg: Table, snapshot_id: int | None) -> str:
    """The list of the files of records at a snapshot; empty where no partition has a record."""
    lists = index_of(iceberg)
    for snapshot in reversed(ancestry(iceberg, snapshot_id)):
        if listed := lists.get(str(snapshot.snapshot_id)) or _property(snapshot, INDEX):
            return listed
    return ""


def index_of(iceberg: Table) -> Mapping[str, str]:
    """Lists of files of records by the ids of kept snapshots whose summaries do not have them."""
    name = iceberg.properties.get(INDEX)
    if name is None:
        return {}
    lists = read_json(RecordFile(uri_of(iceberg.location(), name), iceberg.io))
    return {id_: listed for id_, listed in lists.items() if iceberg.snapshot_by_id(int(id_))}


def record_uris(iceberg: Table) -> Iterator[str]:
    """Every file that the records of the kept snapshots lie in.

    Raises:
        PipelineError: The index is damaged or missing.
    """
    names = names_in(iceberg.properties.get(INDEX, ""))
    for listed in index_of(iceberg).values():
        names += names_in(listed)
    for snapshot in iceberg.metadata.snapshots:
        names += names_in(_property(snapshot, INDEX)) + names_in(_property(snapshot, _REPLACED_IN))
    for name in dict.fromkeys(names):
        yield uri_of(iceberg.location(), name)


def damaged_uris(iceberg: Table) -> Iterator[str]:
    """The files of the present records that are damaged or missing.

    Raises:
        PipelineError: The index is damaged or missing.
    """
    for name in names_in(listed_at(iceberg, iceberg.metadata.current_snapshot_id)):
        file = RecordFile(uri_of(iceberg.location(), name), iceberg.io)
        if not is_whole(file):
            yield file.uri


def summary_of(iceberg: Table, records: Records) -> dict[str, str]:
    """Write the records of a publish, and return what its snapshot's summary says of them.

    Args:
        iceberg: The table as the publish finds it.
        records: Of the partitions that it replaces.

    Raises:
        OSError: They cannot be written.
        PipelineError: A file of records is damaged or missing.
    """
    listed = listed_at(iceberg, iceberg.metadata.current_snapshot_id)
    found = {INDEX: extended(iceberg, listed, records)}
    own = {key: dumped(record) for key, record in records.items()}
    text = json.dumps(own)
    if len(text) <= _MOST_IN_SUMMARY:
        found[former.REPLACED] = text
    else:
        found[_REPLACED_IN] = write(iceberg, own)
    return {name: it for name, it in found.items() if it}


def summary_of_clone(iceberg: Table, snapshot: Snapshot, records: Records) -> Summary:
    """Write the records at a snapshot for a clone that begins with it, whose summary this is.

    Args:
        iceberg: The clone.
        snapshot: As the table that is cloned has it.
        records: All that are in force at it.

    Raises:
        OSError: They cannot be written.
    """
    operation = snapshot.summary.operation if snapshot.summary else Operation.APPEND
    said = snapshot.summary.additional_properties if snapshot.summary else {}
    kept = {name: it for name, it in said.items() if not name.startswith(OWN)}
    listed = extended(iceberg, "", records)
    own = {INDEX: listed, _REPLACED_IN: "".join(names_in(listed))} if listed else {}
    return Summary(operation, **kept, **own)


def _property(snapshot: Snapshot, name: str) -> str:
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    return properties.get(name, "")


def _replaced_by(iceberg: Table, snapshot: Snapshot) -> Records:
    names = names_in(_property(snapshot, _REPLACED_IN))
    return read(iceberg.io, iceberg.location(), names) or former.replaced_by(snapshot)


def _existing(records: Records) -> dict[str, PartitionRecord]:
    return {key: record for key, record in records.items() if record}


def committed_at(snapshot: Snapshot) -> datetime:
    """When a snapshot was committed, in UTC."""
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def history_of(iceberg: Table, snapshot_id: int | None) -> list[HistoryEntry]:
    """The publishes up to a snapshot that are kept, oldest first.

    Raises:
        PipelineError: A file of records is damaged or missing.
    """
    current = iceberg.metadata.current_snapshot_id
    return [
        HistoryEntry(
            snapshot_id=snapshot.snapshot_id,
            committed_at=committed_at(snapshot),
            operation=snapshot.summary.operation.value if snapshot.summary else "unknown",
            records=_replaced_by(iceberg, snapshot),
            is_current=snapshot.snapshot_id == current,
        )
        for snapshot in ancestry(iceberg, snapshot_id)
    ]


def pinned(past: PartitionRecord | None, present: PartitionRecord | None) -> PartitionRecord | None:
    """A past record with today's inputs and code, so that the next update does not replace it.

    If its config is not the one in force, it stays in force from now on, like one that a run has
    asked for. The code is then the one of the past: today's, unless it has changed in between.
    """
    if past is None or present is None:
        return past
    today = replace(past, inputs=present.inputs)
    if past.config not in (None, present.config):
        return replace(today, override=past.config)
    return replace(
        today,
        code_version=present.code_version,
        audit=present.audit,
        config=present.config,
        override=present.override,
    )
