"""What a landing sensor remembers between two ticks; no I/O here.

A delivery is the set of objects of one partition. Its version is a hash of their names and etags.
The lake records from which version each partition was materialised, so the sensor requests a run
exactly for a partition whose objects no longer change and whose version the lake does not record.
Neither times nor the order of events decide: late objects, objects of the same second, repeated
events and clocks that disagree hide nothing.

The cursor only saves work. Dagster stores it with every tick, so it must stay small. It therefore
divides the listing into segments of a thousand objects and remembers one digest for each: 100,000
objects take a few kilobytes. A tick asks for verdicts only on segments whose digest has changed,
and on segments with a delivery that still waits.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from pipeline_assets.dataset.values.objects import StoredObject, fingerprint
from pipeline_assets.errors import PipelineError

Verdict: TypeAlias = Literal[
    "materialised",
    "requested",
    "due",
    "growing",
    "in_progress",
    "early",
    "later",
    "refused",
    "withdrawn",
]

SEGMENT_OBJECTS: Final = 1000
EVENT_SECONDS: Final = 3600.0
"""For how many seconds the queue may repeat events of a delivery that was requested."""

DONE: Final[frozenset[Verdict]] = frozenset({"materialised", "requested", "due", "withdrawn"})
"""The sensor does nothing more for such a delivery unless its objects change."""


@dataclass(frozen=True)
class Delivery:
    """The objects of one partition, in the order of their names; at least one."""

    key: str
    objects: tuple[StoredObject, ...]
    last: str = ""

    @cached_property
    def version(self) -> str:
        """Changes whenever an object appears, goes or is overwritten."""
        return fingerprint(self.objects)

    @property
    def modified(self) -> float:
        """When its youngest object was written, in seconds since 1970."""
        return max(item.modified.timestamp() for item in self.objects)


@dataclass(frozen=True)
class Pending:
    """What is remembered of a delivery that waits, or whose segment holds one that waits.

    Attributes:
        version: The version that was listed last.
        since: When this version was first listed, in seconds since 1970 by our own clock.
        requested: Whether a run was requested for it.
    """

    version: str
    since: float
    requested: bool = False


@dataclass(frozen=True)
class Segment:
    """Neighbouring deliveries of the listing, as they were listed last.

    Attributes:
        last: Path of the last object.
        digest: Hash of the deliveries; empty while one of them waits.
        pending: What is remembered of deliveries that wait, by partition.
    """

    last: str
    digest: str
    pending: Mapping[str, Pending] = field(default_factory=dict)


@dataclass(frozen=True)
class Cursor:
    """What is remembered of a whole listing.

    Attributes:
        after: The path behind which the next tick reads on; empty at the start of the listing.
        segments: In the order of their paths.
    """

    after: str = ""
    segments: tuple[Segment, ...] = ()

    def encode(self) -> str:
        """The cursor as text: compressed JSON."""
        rows = [[each.last, each.digest, _rows(each.pending)] for each in self.segments]
        return _packed([self.after, rows])

    @classmethod
    def decode(cls, text: str | None) -> "Cursor":
        """The inverse of :meth:`encode`; without a text nothing is remembered.

        Raises:
            PipelineError: The text was not written by :meth:`encode`.
        """
        after, rows = _unpacked(text) if text else ("", [])
        return cls(after, tuple(Segment(row[0], row[1], _pending(row[2])) for row in rows))


@dataclass(frozen=True)
class Inbox:
    """The partitions that events named and that wait, or whose run was requested lately.

    Attributes:
        pending: By landing source, then by partition.
    """

    pending: Mapping[str, Mapping[str, Pending]] = field(default_factory=dict)

    def encode(self) -> str:
        """The cursor as text: compressed JSON."""
        return _packed({name: _rows(found) for name, found in self.pending.items()})

    @classmethod
    def decode(cls, text: str | None) -> "Inbox":
        """The inverse of :meth:`encode`; without a text nothing is remembered.

        Raises:
            PipelineError: The text was not written by :meth:`encode`.
        """
        found = _unpacked(text) if text else {}
        return cls({name: _pending(rows) for name, rows in found.items()})

    def of(self, source: str) -> Mapping[str, Pending]:
        """What is remembered of the partitions of a source."""
        return self.pending.get(source, {})


def _rows(pending: Mapping[str, Pending]) -> dict[str, list[Any]]:
    return {key: [it.version, it.since, int(it.requested)] for key, it in pending.items()}


def _pending(rows: Mapping[str, Sequence[Any]]) -> dict[str, Pending]:
    return {key: Pending(row[0], row[1], bool(row[2])) for key, row in rows.items()}


def _packed(value: Any) -> str:  # noqa: ANN401 - anything JSON can write
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def _unpacked(text: str) -> Any:  # noqa: ANN401 - what :func:`_packed` was given
    try:
        return json.loads(zlib.decompress(base64.b85decode(text)))
    except (ValueError, zlib.error) as error:
        raise PipelineError("This cursor is not ours: reset it on the sensor's page") from error
