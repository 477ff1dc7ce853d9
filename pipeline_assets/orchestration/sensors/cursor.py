"""What a landing sensor remembers between two looks, and what follows from it; no I/O here.

A delivery is the set of objects that lie in a partition; its version is a hash of their names and
etags. The lake knows the version that each partition was made from, so a sensor need not remember
objects at all: it requests a partition whose objects lie still and are not those the lake knows.
What lies there decides, never times or the order of events. So late objects, objects of the same
second, events that come twice or the wrong way round, and clocks that disagree hide nothing.

Memory only saves work. The listing is cut into segments of a thousand objects, each remembered as
one digest: Dagster stores the cursor with every tick, and 100,000 objects fit into a few kilobytes.
A segment is looked into when its digest has changed, or while a delivery in it is not done with.
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
    "made", "requested", "due", "growing", "busy", "early", "later", "refused"
]

SEGMENT_OBJECTS: Final = 1000
EVENT_SECONDS: Final = 3600.0
"""For how long the queue may go on telling of what was requested; in seconds."""

DONE: Final[frozenset[Verdict]] = frozenset({"made", "requested", "due"})
"""Nothing more has to be done for such a delivery, unless its objects change."""


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
    """A delivery that is not done with, or one whose neighbours are not.

    Attributes:
        version: As it was last seen.
        since: When this version was first seen, in seconds since 1970 by our own clock.
        requested: Whether it was requested already.
    """

    version: str
    since: float
    requested: bool = False


@dataclass(frozen=True)
class Segment:
    """A stretch of the listing as it was when it was last looked at.

    Attributes:
        last: Path of its last object.
        digest: Of its deliveries; empty if one of them is not done with.
        pending: What is known of these, by partition.
    """

    last: str
    digest: str
    pending: Mapping[str, Pending] = field(default_factory=dict)


@dataclass(frozen=True)
class Cursor:
    """A listing as far as it was looked at.

    Attributes:
        after: The path after which the next look begins; empty for a new pass.
        segments: In the order of their paths.
    """

    after: str = ""
    segments: tuple[Segment, ...] = ()

    def encode(self) -> str:
        """As text: compressed JSON."""
        rows = [[each.last, each.digest, _rows(each.pending)] for each in self.segments]
        return _packed([self.after, rows])

    @classmethod
    def decode(cls, text: str | None) -> "Cursor":
        """Invert :meth:`encode`; without a text nothing is remembered.

        Raises:
            PipelineError: It is the text of something else.
        """
        after, rows = _unpacked(text) if text else ("", [])
        return cls(after, tuple(Segment(row[0], row[1], _pending(row[2])) for row in rows))


@dataclass(frozen=True)
class Inbox:
    """What events told of: partitions that are not done with, or have just been requested.

    Attributes:
        pending: By landing source, then by partition.
    """

    pending: Mapping[str, Mapping[str, Pending]] = field(default_factory=dict)

    def encode(self) -> str:
        """As text: compressed JSON."""
        return _packed({name: _rows(found) for name, found in self.pending.items()})

    @classmethod
    def decode(cls, text: str | None) -> "Inbox":
        """Invert :meth:`encode`; without a text nothing is remembered.

        Raises:
            PipelineError: It is the text of something else.
        """
        found = _unpacked(text) if text else {}
        return cls({name: _pending(rows) for name, rows in found.items()})

    def of(self, source: str) -> Mapping[str, Pending]:
        """The partitions of a source."""
        return self.pending.get(source, {})

    def holds(self, source: str, key: str) -> bool:
        """Whether a partition will not be forgotten, even if nobody tells of it again."""
        return key in self.of(source)


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
