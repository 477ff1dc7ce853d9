"""Expiring old snapshots: nobody can restore them any more, and their files become orphans.

Snapshots that somebody protects by a tag or a branch stay. They are named, and do not keep others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, takewhile

from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.iceberg.catalog import beside_others, one_line_errors
from pipeline_assets.iceberg.history import ancestry, committed_at
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.tidying import drop, protectors, tidy


@dataclass(frozen=True)
class Expired:
    """What became of the snapshots that were replaced before a moment.

    Attributes:
        snapshots: Ids of those that expired, oldest first.
        protected: Those that a tag or a branch keeps, as ``id (tag name)``.
    """

    snapshots: tuple[int, ...] = ()
    protected: tuple[str, ...] = ()


def expire(lake: Lake, table: LakeTable, older_than: datetime) -> Expired:
    """Expire the snapshots that were replaced before a moment.

    The table can be restored to every state since that moment. The present snapshot never expires.
    A run keeps the snapshots that it reads if it started after the moment.

    Raises:
        PipelineError: The table cannot be read or written.
    """
    with one_line_errors(f"expire snapshots of {table}"):
        return _expire(lake, table, older_than)


def expirable(iceberg: Table | None, older_than: datetime) -> Expired:
    """What :func:`expire` would expire, and what is protected from it."""
    if iceberg is None:
        return Expired()
    old = [
        it.snapshot_id for it in (*_replaced(iceberg, older_than), *_strays(iceberg, older_than))
    ]
    named = protectors(iceberg)
    return Expired(
        snapshots=tuple(id_ for id_ in old if id_ not in named),
        protected=tuple(f"{id_} ({named[id_]})" for id_ in old if id_ in named),
    )


@beside_others
def _expire(lake: Lake, table: LakeTable, older_than: datetime) -> Expired:
    iceberg = lake.load_to_commit(table)
    if iceberg is not None and expirable(iceberg, older_than).snapshots:
        tidy(iceberg)
    found = expirable(iceberg, older_than)
    if iceberg is not None and found.snapshots:
        drop(iceberg, found.snapshots)
    return found


def _replaced(iceberg: Table, older_than: datetime) -> Iterator[Snapshot]:
    history = pairwise(ancestry(iceberg, iceberg.metadata.current_snapshot_id))
    for snapshot, _ in takewhile(lambda pair: committed_at(pair[1]) < older_than, history):
        yield snapshot


def _strays(iceberg: Table, older_than: datetime) -> Iterator[Snapshot]:
    """Old snapshots that no branch leads to, such as one whose tag was removed."""
    branches = [
        ref.snapshot_id
        for ref in iceberg.metadata.refs.values()
        if ref.snapshot_ref_type == SnapshotRefType.BRANCH
    ]
    current = iceberg.metadata.current_snapshot_id
    led_to = {it.snapshot_id for head in (*branches, current) for it in ancestry(iceberg, head)}
    for snapshot in iceberg.metadata.snapshots:
        if snapshot.snapshot_id not in led_to and committed_at(snapshot) < older_than:
            yield snapshot
