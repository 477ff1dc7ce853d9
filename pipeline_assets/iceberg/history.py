"""The history of a table: the partition records of the present and of every kept snapshot.

A snapshot's summary holds the records of the partitions that it replaced. To know all records at a
snapshot, one reads the summaries of its ancestors in order. When snapshots expire, their records
move to a table property.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.dataset.values.table import PartitionRecord

FORGOTTEN: Final = "pipeline.forgotten"
"""Table property with the records in force before the first snapshot that has not expired."""
_PROPERTY: Final = "pipeline.partition."
SUMMARY_PROPERTY: Final = "pipeline.partitions"
_OFTEN_EMPTY: Final = {"config", "override", "audit"}


@dataclass(frozen=True)
class HistoryEntry:
    """One publish: its time, and the records of the partitions that it replaced."""

    snapshot_id: int
    committed_at: datetime
    operation: str
    records: Mapping[str, PartitionRecord | None]
    is_current: bool


def forgotten_before(snapshot_id: int) -> str:
    """Like :data:`FORGOTTEN`, of a snapshot that a tag or branch kept while others expired."""
    return f"{FORGOTTEN}.{snapshot_id}"


def set_records(transaction: Transaction, records: Mapping[str, PartitionRecord | None]) -> None:
    """Store the records as table properties.

    A removed partition gets a null: removing a property that another process has removed already is
    an error.
    """
    transaction.set_properties(
        {_PROPERTY + key: json.dumps(dumped(record)) for key, record in records.items()}
    )


def current_records(iceberg: Table) -> dict[str, PartitionRecord]:
    """The present records by partition key."""
    return _existing(
        {
            name.removeprefix(_PROPERTY): json.loads(text)
            for name, text in iceberg.properties.items()
            if name.startswith(_PROPERTY)
        }
    )


def ancestry(iceberg: Table, snapshot_id: int | None) -> list[Snapshot]:
    """A snapshot and its ancestors that have not expired, oldest first."""
    chain: list[Snapshot] = []
    snapshot = iceberg.snapshot_by_id(snapshot_id) if snapshot_id else None
    while snapshot is not None:
        chain.append(snapshot)
        parent = snapshot.parent_snapshot_id
        snapshot = iceberg.snapshot_by_id(parent) if parent else None
    return chain[::-1]


def records_at(iceberg: Table, snapshot_id: int) -> dict[str, PartitionRecord]:
    """The records at a snapshot: the forgotten ones, replaced by those of each snapshot since."""
    chain = ancestry(iceberg, snapshot_id)
    records = _forgotten(iceberg, chain[0].snapshot_id if chain else snapshot_id)
    for snapshot in chain:
        records |= _summary(snapshot)
    return _existing(records)


def records_before(iceberg: Table, snapshot_id: int) -> dict[str, PartitionRecord]:
    """The records in force before a snapshot was committed."""
    snapshot = iceberg.snapshot_by_id(snapshot_id)
    parent = snapshot.parent_snapshot_id if snapshot else None
    if parent is None or iceberg.snapshot_by_id(parent) is None:
        return _existing(_forgotten(iceberg, snapshot_id))
    return records_at(iceberg, parent)


def _forgotten(iceberg: Table, snapshot_id: int) -> dict[str, Any]:
    """The records before a snapshot whose ancestors have expired, as JSON."""
    own = iceberg.properties.get(forgotten_before(snapshot_id))
    records: dict[str, Any] = json.loads(own or iceberg.properties.get(FORGOTTEN, "{}"))
    return records


def _summary(snapshot: Snapshot) -> dict[str, Any]:
    """The record, as JSON, of each partition that a snapshot replaced; null if it removed it."""
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    replaced: dict[str, Any] = json.loads(properties.get(SUMMARY_PROPERTY, "{}"))
    return replaced


def _existing(records: Mapping[str, Any]) -> dict[str, PartitionRecord]:
    return {key: PartitionRecord(**record) for key, record in records.items() if record}


def committed_at(snapshot: Snapshot) -> datetime:
    """When a snapshot was committed, in UTC."""
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def history_entry(snapshot: Snapshot, current: int | None) -> HistoryEntry:
    """The publish that a snapshot stands for; ``current`` is the id of the present snapshot."""
    return HistoryEntry(
        snapshot_id=snapshot.snapshot_id,
        committed_at=committed_at(snapshot),
        operation=snapshot.summary.operation.value if snapshot.summary else "unknown",
        records={
            key: PartitionRecord(**record) if record else None
            for key, record in _summary(snapshot).items()
        },
        is_current=snapshot.snapshot_id == current,
    )


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


def dumped(record: PartitionRecord | None) -> dict[str, object] | None:
    """A record as JSON, without what most records do not have; null for a removed partition."""
    if record is None:
        return None
    fields = asdict(record)
    return {name: it for name, it in fields.items() if it or name not in _OFTEN_EMPTY}
