"""What each publish of a table was made from: read out of its properties and snapshots."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.dataset.values.table import PartitionRecord

FORGOTTEN: Final = "pipeline.forgotten"
"""Table property: the records in force before the first snapshot that is kept."""


_PROPERTY: Final = "pipeline.partition."


SUMMARY_PROPERTY: Final = "pipeline.partitions"


@dataclass(frozen=True)
class HistoryEntry:
    """One publish: when, by which run, and the partitions it replaced."""

    snapshot_id: int
    committed_at: datetime
    operation: str
    records: Mapping[str, PartitionRecord | None]
    is_current: bool


def set_records(transaction: Transaction, records: Mapping[str, PartitionRecord | None]) -> None:
    """A partition that is gone keeps a null: removing what another process removed is an error."""
    transaction.set_properties(
        {_PROPERTY + key: json.dumps(dumped(record)) for key, record in records.items()}
    )


def current_records(iceberg: Table) -> dict[str, PartitionRecord]:
    """What is in force now, by partition key."""
    return _existing(
        {
            name.removeprefix(_PROPERTY): json.loads(text)
            for name, text in iceberg.properties.items()
            if name.startswith(_PROPERTY)
        }
    )


def ancestry(iceberg: Table, snapshot_id: int | None) -> list[Snapshot]:
    """The kept ancestors of a snapshot and itself, oldest first."""
    chain: list[Snapshot] = []
    snapshot = iceberg.snapshot_by_id(snapshot_id) if snapshot_id else None
    while snapshot is not None:
        chain.append(snapshot)
        parent = snapshot.parent_snapshot_id
        snapshot = iceberg.snapshot_by_id(parent) if parent else None
    return chain[::-1]


def records_at(iceberg: Table, snapshot_id: int) -> dict[str, PartitionRecord]:
    """What was in force then: before the first kept snapshot, and what came with each since."""
    records = json.loads(iceberg.properties.get(FORGOTTEN, "{}"))
    for snapshot in ancestry(iceberg, snapshot_id):
        records |= _summary(snapshot)
    return _existing(records)


def _summary(snapshot: Snapshot) -> dict[str, Any]:
    """Record, as JSON, of each partition that a snapshot replaced; null where it removed it."""
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    replaced: dict[str, Any] = json.loads(properties.get(SUMMARY_PROPERTY, "{}"))
    return replaced


def _existing(records: Mapping[str, Any]) -> dict[str, PartitionRecord]:
    return {key: PartitionRecord(**record) for key, record in records.items() if record}


def committed_at(snapshot: Snapshot) -> datetime:
    """When a snapshot was committed, in UTC."""
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def history_entry(snapshot: Snapshot, current: int | None) -> HistoryEntry:
    """One publish, as its snapshot tells it; ``current`` is the id of the table's own snapshot."""
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
    """The past record with the inputs and code of today, so that the next update keeps it."""
    if past is None or present is None:
        return past
    return PartitionRecord(
        version=past.version,
        inputs=present.inputs,
        code_version=present.code_version,
        run_id=past.run_id,
        rows=past.rows,
        bytes=past.bytes,
        published_at=past.published_at,
    )


def dumped(record: PartitionRecord | None) -> dict[str, object] | None:
    """A record as JSON holds it; null for a partition that is gone."""
    return asdict(record) if record else None
