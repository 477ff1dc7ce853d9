"""A new version of some partitions: written beside the old one, shown at once, the old one expired.

1. A number is taken for the version, and it is noted as begun.
2. Its items are written; readers do not look at them. Before some items are written, their keys are
   listed, so that whatever was written can be found again.
3. One conditional write of the table's state shows the version. It is refused if a newer version is
   shown already.
4. What is not seen any more gets a time to expire at. Until then readers that have read the state
   before the switch still find all of the version that they have begun to read.

A writer that is killed leaves the table as it was, or with the whole new version. What it leaves
behind expires with a later publish of the same table.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Final

import pyarrow as pa

from pipeline_assets.errors import PipelineError
from pipeline_assets.keys.client import ConflictError, KeyTable
from pipeline_assets.keys.items import (
    Begun,
    Item,
    Retired,
    Shown,
    State,
    listed_keys,
    listing_item,
    listing_key,
    rows_items,
    state_item,
    state_key,
    state_of,
)
from pipeline_assets.keys.values import schema_text

GRACE_SECONDS: Final = 3_600
"""How long readers may go on reading a version after the next one is shown."""
ABANDONED_SECONDS: Final = 86_400
"""No version takes longer to be written; one that was begun earlier has lost its writer."""
_LISTED_ITEMS: Final = 200
_THREADS: Final = 8
_TRIES: Final = 50


@dataclass(frozen=True)
class KeyRows:
    """All rows of a key in a partition, each as JSON."""

    partition: str
    key: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class StagedVersion:
    """A version whose items are written, and that nobody sees.

    Attributes:
        keys: The table of DynamoDB.
        table: ``domain.name`` of the table whose rows they are.
        number: Of the version.
        rows: Rows of each of its partitions.
        schema: Of the rows.
        snapshot: Of the table in the lake, the snapshot that they were read from.
    """

    keys: KeyTable
    table: str
    number: int
    rows: Mapping[str, int]
    schema: pa.Schema
    snapshot: int | None

    def show(self) -> None:
        """Show the version in place of the old one, all partitions at once.

        Raises:
            PipelineError: A newer version is shown already, or DynamoDB refuses.
        """
        change_state(self.keys, self.table, self._shown)
        expire_retired(self.keys, self.table)

    def discard(self) -> None:
        """Have everything that was written expire; changes nothing once the version is shown."""
        change_state(self.keys, self.table, partial(_without, self.number))
        expire_retired(self.keys, self.table)

    def _shown(self, state: State) -> State:
        old = {key: state.shown[key] for key in self.rows if key in state.shown}
        if any(shown.number == self.number for shown in old.values()):
            return state  # an answer was lost on its way, the change was not
        is_newer = any(shown.number > self.number for shown in old.values())
        if is_newer or self.number not in state.begun:
            raise PipelineError(
                f"A newer version of {self.table} was published by key meanwhile; run it again"
            )
        replaced = tuple(Retired(key, it.number) for key, it in old.items())
        new = {key: Shown(self.number, rows) for key, rows in self.rows.items()}
        kept = _without_abandoned(state, but=self.number)
        return replace(
            kept,
            shown={**state.shown, **new},
            retired=(*kept.retired, *replaced),
            columns=schema_text(self.schema),
            snapshot=self.snapshot,
            # As exact as snapshots: cut to seconds, it could lie before the snapshot that it shows.
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )


def stage(
    keys: KeyTable,
    table: str,
    partitions: Iterable[str],
    groups: Iterable[KeyRows],
    schema: pa.Schema,
    snapshot: int | None,
) -> StagedVersion:
    """Write a new version of some partitions, which nobody sees.

    Args:
        keys: The table of DynamoDB.
        table: ``domain.name`` of the table whose rows they are.
        partitions: The partitions; one without rows becomes empty.
        groups: The rows, key by key.
        schema: Of the rows.
        snapshot: Of the table in the lake, the snapshot that they are read from.

    Raises:
        PipelineError: DynamoDB refuses or stays throttled; what was written expires.
    """
    rows = dict.fromkeys(partitions, 0)
    begun = Begun(time.time(), tuple(rows))
    state = change_state(
        keys,
        table,
        lambda it: replace(it, last=it.last + 1, begun={**it.begun, it.last + 1: begun}),
    )
    staged = StagedVersion(keys, table, state.last, rows, schema, snapshot)
    try:
        keys.write(_items(staged, groups, rows))
    except BaseException:
        staged.discard()
        raise
    return staged


def change_state(keys: KeyTable, table: str, change: Callable[[State], State]) -> State:
    """Change the state of a table as nobody else does at the same time.

    Args:
        keys: The table of DynamoDB.
        table: ``domain.name``.
        change: Makes the new state of the old one; it is called again if somebody was faster.

    Raises:
        PipelineError: DynamoDB refuses, or others change it all the time.
    """
    for _ in range(_TRIES):
        old = state_of(keys.get(state_key(table)))
        new = change(old)
        if new == old:
            return old
        new = replace(new, revision=old.revision + 1)
        try:
            keys.put_if(
                state_item(table, new),
                "revision = :seen" if old.revision else "attribute_not_exists(pk)",
                {":seen": {"N": str(old.revision)}} if old.revision else {},
            )
        except ConflictError:
            continue
        return new
    raise PipelineError(f"Others change {table} in DynamoDB's table {keys.name} all the time")


def expire_retired(keys: KeyTable, table: str) -> None:
    """Have what nobody sees any more expire.

    Raises:
        PipelineError: DynamoDB refuses; the next publish of the table goes on with it.
    """
    retired = state_of(keys.get(state_key(table))).retired
    at = int(time.time()) + GRACE_SECONDS
    with ThreadPoolExecutor(_THREADS) as pool:
        for version in retired:
            for listing in keys.query(*listing_key(table, version)):
                expired = [*listed_keys(listing)]
                list(pool.map(partial(keys.expire, at=at), expired))
                keys.expire({"pk": listing["pk"], "sk": listing["sk"]}, at)
    change_state(
        keys,
        table,
        lambda it: replace(it, retired=tuple(each for each in it.retired if each not in retired)),
    )


def _items(
    staged: StagedVersion, groups: Iterable[KeyRows], rows: dict[str, int]
) -> Iterator[Item]:
    """Lists of items, each followed by the items that it names; counts the rows."""
    places: dict[str, int] = {}
    found = _rows_items(staged, groups, rows)
    # Groups come by partition, so a list of items seldom holds those of more than one.
    while some := list(islice(found, _LISTED_ITEMS)):
        for partition in dict.fromkeys(partition for partition, _ in some):
            place = places[partition] = places.get(partition, -1) + 1
            version = Retired(partition, staged.number)
            own = [item for of, item in some if of == partition]
            # It has to be there first, so it is not left to a batch, of which parts may be undone.
            staged.keys.write([listing_item(staged.table, version, place, own)])
        yield from (item for _, item in some)


def _rows_items(
    staged: StagedVersion, groups: Iterable[KeyRows], rows: dict[str, int]
) -> Iterator[tuple[str, Item]]:
    for group in groups:
        rows[group.partition] += len(group.rows)
        version = Retired(group.partition, staged.number)
        for item in rows_items(staged.table, group.key, version, group.rows):
            yield group.partition, item


def _without(number: int, state: State) -> State:
    """The state without a version that was begun; its partitions are retired."""
    if number not in state.begun:
        return state
    gone = tuple(Retired(key, number) for key in state.begun[number].partitions)
    begun = {it: value for it, value in state.begun.items() if it != number}
    return replace(state, begun=begun, retired=(*state.retired, *gone))


def _without_abandoned(state: State, but: int) -> State:
    """The state without versions whose writers were killed, nor the one that is shown now."""
    latest = time.time() - ABANDONED_SECONDS
    for number, begun in state.begun.items():
        if begun.since < latest and number != but:
            state = _without(number, state)
    return replace(state, begun={it: of for it, of in state.begun.items() if it != but})
