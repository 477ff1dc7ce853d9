"""What lies where in the DynamoDB table that rows by key are published to.

Its items have a partition key ``pk`` and a sort key ``sk``, both text:

=========================  ===============================  ======================================
``pk``                     ``sk``                           what it holds
=========================  ===============================  ======================================
``music.similar_artists``  ``state``                        which versions readers see
``music.similar_artists/7``  ``2026-01-01#0000``            the keys of version 7, to expire it by
``music.similar_artists#Ada``  ``2026-01-01#000000000007#0000``  rows of the key, as JSON
=========================  ===============================  ======================================

The number of a version is part of an item's own key. So no version can write over an item of
another one, although DynamoDB's batches take no conditions.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeAlias

Item: TypeAlias = dict[str, dict[str, Any]]
"""An item as DynamoDB's API writes it: the type of each value stands beside it."""

ITEM_BYTES: Final = 200_000
"""Of rows in one item; DynamoDB takes 400 KB. What is larger goes on in the next item."""
_KEY_BYTES: Final = 1_500
"""Of a key that stands in ``pk`` itself, which takes 2,048; a longer one is named by its hash."""


@dataclass(frozen=True)
class Retired:
    """A partition of a version that nobody sees any more."""

    partition: str
    number: int


@dataclass(frozen=True)
class Begun:
    """A version that is being written, or whose writer was killed.

    Attributes:
        since: When it was begun, in seconds since 1970.
        partitions: What it consists of.
    """

    since: float
    partitions: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """What readers see of a partition: the number of the version, and its rows."""

    number: int
    rows: int


@dataclass(frozen=True)
class State:
    """Which versions of a table there are. It is one item, so it changes as a whole.

    Attributes:
        revision: Raised by every change, so that no change is lost to another one.
        last: The highest number that was given to a version.
        shown: What readers see, by partition.
        begun: Versions that are being written, by number.
        retired: What is to expire, and has not been marked yet.
        columns: Arrow's schema of the rows, in base64.
        snapshot: Of the table in the lake, the snapshot that was published last.
        at: When, as ISO 8601.
    """

    revision: int = 0
    last: int = 0
    shown: Mapping[str, Shown] = field(default_factory=dict)
    begun: Mapping[int, Begun] = field(default_factory=dict)
    retired: tuple[Retired, ...] = ()
    columns: str = ""
    snapshot: int | None = None
    at: str = ""


def state_key(table: str) -> Item:
    """Where the state of a table lies."""
    return {"pk": {"S": table}, "sk": {"S": "state"}}


def state_item(table: str, state: State) -> Item:
    """The state of a table."""
    said = asdict(state)
    said["shown"] = {key: [it.number, it.rows] for key, it in state.shown.items()}
    said["retired"] = [[it.partition, it.number] for it in state.retired]
    revision = {"revision": {"N": str(state.revision)}}
    return {**state_key(table), **revision, "state": {"S": json.dumps(said)}}


def state_of(item: Item | None) -> State:
    """The state that an item holds; the one before everything if there is none."""
    if item is None:
        return State()
    said = json.loads(item["state"]["S"])
    said["shown"] = {key: Shown(*it) for key, it in said["shown"].items()}
    said["begun"] = {
        int(number): Begun(it["since"], tuple(it["partitions"]))
        for number, it in said["begun"].items()
    }
    said["retired"] = tuple(Retired(*it) for it in said["retired"])
    return State(**said)


def rows_key(table: str, key: str) -> str:
    """The partition key of the rows of a key."""
    raw = key.encode()
    return f"{table}#{key if len(raw) <= _KEY_BYTES else hashlib.sha256(raw).hexdigest()}"


def rows_items(table: str, key: str, version: Retired, rows: Sequence[str]) -> list[Item]:
    """The items of a key in a partition: one, or more where its rows are too large for one.

    Args:
        table: ``domain.name``.
        key: The key.
        version: Of the partition.
        rows: Each as JSON.
    """
    chunks: list[list[str]] = [[]]
    size = 0
    for row in rows:
        length = len(row.encode()) + 1
        if size + length > ITEM_BYTES and chunks[-1]:
            chunks.append([])
            size = 0
        chunks[-1].append(row)
        size += length
    return [
        {
            "pk": {"S": rows_key(table, key)},
            "sk": {"S": f"{version.partition}#{version.number:012d}#{place:04d}"},
            "rows": {"S": f"[{','.join(chunk)}]"},
            "count": {"N": str(len(chunk))},
        }
        for place, chunk in enumerate(chunks)
    ]


def version_of(sk: str) -> Retired:
    """The partition and the version that an item of rows belongs to."""
    partition, number, _ = sk.rsplit("#", 2)
    return Retired(partition, int(number))


def listing_key(table: str, version: Retired) -> tuple[str, str]:
    """Where the keys of a partition's version are listed: ``pk``, and what ``sk`` begins with."""
    return f"{table}/{version.number}", f"{version.partition}#"


def listing_item(table: str, version: Retired, place: int, items: Sequence[Item]) -> Item:
    """A list of items that are about to be written."""
    pk, begin = listing_key(table, version)
    keys = [[item["pk"]["S"], item["sk"]["S"]] for item in items]
    content = {"keys": {"S": json.dumps(keys, ensure_ascii=False)}}
    return {"pk": {"S": pk}, "sk": {"S": f"{begin}{place:04d}"}, **content}


def listed_keys(item: Item) -> list[Item]:
    """The keys of the items that a list names."""
    return [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in json.loads(item["keys"]["S"])]
