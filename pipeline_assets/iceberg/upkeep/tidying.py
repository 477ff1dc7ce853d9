"""Keeping the metadata of a table small, by commits of their own before the one that needs it.

Every kept snapshot is a part of the metadata that each commit reads and writes. So a table keeps
its last snapshots, and of those before them some that lie evenly in time, until they expire: after
a backfill of thousands of days the state before it can still be restored.
"""

from collections.abc import Collection, Sequence
from typing import Final

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots

from pipeline_assets.iceberg.commit import commit_to
from pipeline_assets.iceberg.history import INDEX, ancestry
from pipeline_assets.iceberg.records import former
from pipeline_assets.iceberg.records.files import write

LAST: Final = 24
"""How many of the last snapshots are kept at least."""
SPREAD: Final = 16
"""How many of those before them are kept, evenly in time."""
_AT_ONCE: Final = 8


def tidy(iceberg: Table) -> None:
    """Bring records to where they belong now, and drop snapshots if there are too many.

    Raises:
        CommitFailedException: Another process has come before.
        OSError: Storage cannot be written.
        PipelineError: Storage cannot be read.
    """
    if outlived := former.properties_of(iceberg):
        index = write(iceberg, former.files_for(iceberg))
        with commit_to(iceberg) as transaction:
            transaction.set_properties({INDEX: index})
            transaction.remove_properties(*outlived)
    if surplus := surplus_of(iceberg):
        drop(iceberg, surplus)


def surplus_of(iceberg: Table) -> list[int]:
    """The ids of the snapshots that are too many; none before some have come together."""
    named = protectors(iceberg)
    chain = [
        it
        for it in ancestry(iceberg, iceberg.metadata.current_snapshot_id)
        if it.snapshot_id not in named
    ]
    if len(chain) < LAST + SPREAD + _AT_ONCE:
        return []
    kept = {it.snapshot_id for it in thinned(chain, LAST, SPREAD)}
    return [it.snapshot_id for it in chain if it.snapshot_id not in kept]


def thinned(chain: Sequence[Snapshot], last: int, spread: int) -> list[Snapshot]:
    """The last of a chain, its first, and some between them that lie evenly in time."""
    kept = list(chain)
    while len(kept) > last + spread:
        older = range(1, len(kept) - last)
        # The one whose neighbours lie closest together in time is missed least.
        gaps = {at: kept[at + 1].timestamp_ms - kept[at - 1].timestamp_ms for at in older}
        del kept[min(gaps, key=gaps.__getitem__)]
    return kept


def drop(iceberg: Table, ids: Collection[int]) -> None:
    """Drop snapshots; their files become orphans.

    Raises:
        CommitFailedException: Another process has just dropped or protected some of them.
    """
    try:
        with commit_to(iceberg) as transaction:
            ExpireSnapshots(transaction).by_ids(list(ids)).commit()
    except ValueError as error:
        raise CommitFailedException(str(error)) from error


def protectors(iceberg: Table) -> dict[int, str]:
    """The tag or branch that keeps each protected snapshot."""
    return {
        ref.snapshot_id: f"{ref.snapshot_ref_type.value} {name}"
        for name, ref in iceberg.metadata.refs.items()
        if name != MAIN_BRANCH
    }
