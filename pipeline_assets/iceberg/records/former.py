"""Records as versions up to 0.1 stored them, and how a table leaves that behind.

They had a table property for each partition, and in each snapshot's summary the records of the
partitions that it replaced. To know all records at a snapshot, one read the summaries of its
ancestors; those of expired ones lay in one more property. The first commit writes all that into
files, so that nothing but this module knows of it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.iceberg.records.files import extended, loaded

_PARTITION: Final = "pipeline.partition."
_FORGOTTEN: Final = "pipeline.forgotten"
"""The records before the first kept snapshot; with an id, before one that a tag keeps."""
REPLACED: Final = "pipeline.partitions"


def replaced_by(snapshot: Snapshot) -> dict[str, PartitionRecord | None]:
    """The records of the partitions that a snapshot has replaced, as its summary says."""
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    return loaded(json.loads(properties.get(REPLACED, "{}")))


def properties_of(iceberg: Table) -> list[str]:
    """The names of the table properties that hold records."""
    return [it for it in iceberg.properties if it.startswith((_PARTITION, _FORGOTTEN))]


def present(iceberg: Table) -> dict[str, PartitionRecord | None]:
    """The records in force."""
    found = {
        name.removeprefix(_PARTITION): json.loads(text)
        for name, text in iceberg.properties.items()
        if name.startswith(_PARTITION)
    }
    return loaded(found)


def at(iceberg: Table, snapshot_id: int) -> dict[str, PartitionRecord | None]:
    """The records at a snapshot."""
    chain = _chain(iceberg, snapshot_id)
    records = _forgotten(iceberg, chain[0].snapshot_id if chain else snapshot_id)
    for snapshot in chain:
        records |= replaced_by(snapshot)
    return records


def files_for(iceberg: Table) -> Mapping[str, str]:
    """Write all records into files: the list of them by the id of each kept snapshot.

    Raises:
        OSError: A file cannot be written.
    """
    current = iceberg.metadata.current_snapshot_id
    lists = dict(_files_of_chain(iceberg, _chain(iceberg, current) if current else []))
    for snapshot in iceberg.metadata.snapshots:
        id_ = snapshot.snapshot_id
        if id_ not in lists:  # a tag or a branch keeps it
            lists[id_] = extended(iceberg, "", at(iceberg, id_))
    if current:
        known, now = at(iceberg, current), present(iceberg)
        # Checks that were passed later are noted in the properties only.
        noted = {key: record for key, record in now.items() if known.get(key) != record}
        lists[current] = extended(iceberg, lists[current], noted)
    return {str(id_): listed for id_, listed in lists.items()}


def _files_of_chain(iceberg: Table, chain: list[Snapshot]) -> Iterator[tuple[int, str]]:
    listed = extended(iceberg, "", _forgotten(iceberg, chain[0].snapshot_id)) if chain else ""
    for snapshot in chain:
        listed = extended(iceberg, listed, replaced_by(snapshot))
        yield snapshot.snapshot_id, listed


def _chain(iceberg: Table, snapshot_id: int) -> list[Snapshot]:
    chain: list[Snapshot] = []
    snapshot = iceberg.snapshot_by_id(snapshot_id)
    while snapshot is not None:
        chain.append(snapshot)
        parent = snapshot.parent_snapshot_id
        snapshot = iceberg.snapshot_by_id(parent) if parent else None
    return chain[::-1]


def _forgotten(iceberg: Table, snapshot_id: int) -> dict[str, PartitionRecord | None]:
    own = iceberg.properties.get(f"{_FORGOTTEN}.{snapshot_id}")
    text: Any = own or iceberg.properties.get(_FORGOTTEN, "{}")
    return loaded(json.loads(text))
