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
import hashlib
import json
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from pipeline_assets.dataset.objects import StoredObject, fingerprint
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.zone import Sighting

SEGMENT_OBJECTS: Final = 1000
EVENT_SECONDS: Final = 3600.0
"""For how long the queue may go on telling of what was requested; in seconds."""

Verdict: TypeAlias = Literal[
    "made", "requested", "due", "growing", "busy", "early", "later", "refused"
]
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


@dataclass(frozen=True)
class Stretch:
    """Deliveries that follow one another, as they lie there now; at least one.

    Attributes:
        after: The path it begins after.
        deliveries: In the order of their paths.
        known: The segment they were in before.
    """

    after: str
    deliveries: tuple[Delivery, ...]
    known: Segment | None = None

    @property
    def last(self) -> str:
        """Path of its last object."""
        return self.deliveries[-1].last

    @property
    def objects(self) -> int:
        """How many there are."""
        return _count(self.deliveries)

    @cached_property
    def digest(self) -> str:
        """Of what lies there."""
        text = "\n".join(f"{each.key}@{each.version}" for each in self.deliveries)
        return base64.b85encode(hashlib.blake2b(text.encode(), digest_size=10).digest()).decode()

    @property
    def has_changed(self) -> bool:
        """Whether it has to be looked into."""
        return self.known is None or self.known.digest != self.digest

    def pending(self, key: str) -> Pending | None:
        """What is known of a delivery."""
        return self.known.pending.get(key) if self.known else None


@dataclass(frozen=True)
class Look:
    """What one look found.

    Attributes:
        stretches: One after the other.
        is_complete: Whether the listing ended with them.
        strangers: Paths of objects that belong to no partition.
    """

    stretches: tuple[Stretch, ...]
    is_complete: bool
    strangers: tuple[str, ...] = ()

    @property
    def changed(self) -> list[Delivery]:
        """The deliveries that have to be judged."""
        return [it for each in self.stretches if each.has_changed for it in each.deliveries]

    @property
    def objects(self) -> int:
        """How many objects were seen."""
        return sum(each.objects for each in self.stretches)


@dataclass(frozen=True)
class Circumstances:
    """What verdicts depend on besides the deliveries.

    Attributes:
        now: In seconds since 1970.
        settle: For how many seconds objects have to lie still.
        limit: How many deliveries may be requested at once.
        made: The version that each partition of the lake was made from.
        busy: Partitions that runs in progress are making.
        early: Partitions whose window of time has not ended.
        refused: Partitions that there are not.
    """

    now: float
    settle: float
    limit: int
    made: Mapping[str, str] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


def look(
    cursor: Cursor,
    sightings: Iterable[Sighting],
    is_enough: Callable[[int], bool],
    segment_objects: int = SEGMENT_OBJECTS,
) -> Look:
    """Read on in the listing until it ends or there is enough.

    Args:
        cursor: Where the last look ended.
        sightings: The listing from there on.
        is_enough: Told how many objects were seen; asked after every stretch.
        segment_objects: Where to cut what was never seen before.
    """
    strangers: list[str] = []
    known = [each for each in cursor.segments if each.last > cursor.after]
    found: list[Stretch] = []
    for stretch in stretches(
        deliveries(sightings, strangers), known, segment_objects, cursor.after
    ):
        found.append(stretch)
        if is_enough(sum(each.objects for each in found)):
            return Look(tuple(found), is_complete=False, strangers=tuple(strangers))
    return Look(tuple(found), is_complete=True, strangers=tuple(strangers))


def deliveries(sightings: Iterable[Sighting], strangers: list[str]) -> Iterator[Delivery]:
    """Neighbours of one partition together; paths without a partition are put aside."""
    for key, group in groupby(_known(sightings, strangers), key=lambda each: each.key or ""):
        items = list(group)
        yield Delivery(key, tuple(each.item for each in items), items[-1].path)


def stretches(
    found: Iterable[Delivery], known: Sequence[Segment], size: int, after: str = ""
) -> Iterator[Stretch]:
    """Cut deliveries where they were cut before; what comes after that, when it is long enough."""
    bounds = [each.last for each in known[:-1]]
    for slot, group in groupby(found, key=lambda each: bisect_left(bounds, each.last)):
        for piece in _pieces(group, size, is_open=slot == len(bounds)):
            stretch = Stretch(after, piece, known[slot] if known else None)
            after = stretch.last
            yield stretch


def judge(delivery: Delivery, pending: Pending | None, given: Circumstances) -> Verdict:
    """What is to be done about a delivery."""
    is_same = pending is not None and pending.version == delivery.version
    verdicts: list[tuple[bool, Verdict]] = [
        (given.made.get(delivery.key) == delivery.version, "made"),
        (is_same and pending is not None and pending.requested, "requested"),
        (delivery.key in given.refused, "refused"),
        (delivery.key in given.early, "early"),
        (not _lies_still(delivery, pending if is_same else None, given), "growing"),
        (delivery.key in given.busy, "busy"),
    ]
    return next((verdict for holds, verdict in verdicts if holds), "due")


def judged(found: Look, given: Circumstances) -> dict[str, Verdict]:
    """The verdicts on all deliveries that have to be judged."""
    return limited(
        {
            each.key: judge(each, stretch.pending(each.key), given)
            for stretch in found.stretches
            if stretch.has_changed
            for each in stretch.deliveries
        },
        given.limit,
    )


def limited(verdicts: Mapping[str, Verdict], limit: int) -> dict[str, Verdict]:
    """The same, but of too many that are due, the last ones have to wait."""
    due = [key for key, verdict in verdicts.items() if verdict == "due"]
    return {**verdicts, **dict.fromkeys(due[limit:], "later")}


def remembered(cursor: Cursor, found: Look, verdicts: Mapping[str, Verdict], now: float) -> Cursor:
    """What to remember; the next look begins where deliveries had to be left for later."""
    segments = [each for each in cursor.segments if each.last <= cursor.after]
    for stretch in found.stretches:
        segments.append(_segment(stretch, verdicts, now))
        if any(verdicts.get(each.key) == "later" for each in stretch.deliveries):
            return Cursor(stretch.after, (*segments, *_behind(cursor, stretch.last)))
    if found.is_complete:
        return Cursor("", tuple(segments))
    last = found.stretches[-1].last
    return Cursor(last, (*segments, *_behind(cursor, last)))


def kept(
    before: Mapping[str, Pending],
    found: Mapping[str, Delivery],
    verdicts: Mapping[str, Verdict],
    now: float,
) -> dict[str, Pending]:
    """What an inbox remembers of a source.

    What was requested is remembered for as long as events of it may come again.

    Args:
        before: What it remembered.
        found: The deliveries that were looked at, by partition.
        verdicts: On each of them.
        now: In seconds since 1970.
    """
    untouched = {key: each for key, each in before.items() if key not in verdicts}
    looked_at = {
        key: noted(found[key], before.get(key), verdict, now)
        for key, verdict in verdicts.items()
        if verdict not in {"made", "refused"}
    }
    everything = {**untouched, **looked_at}
    return {
        key: each
        for key, each in everything.items()
        if not (each.requested and now - each.since > EVENT_SECONDS)
    }


def noted(delivery: Delivery, before: Pending | None, verdict: Verdict, now: float) -> Pending:
    """What to remember of a delivery that is not done with, or not everywhere."""
    if verdict == "due":
        return Pending(delivery.version, now, requested=True)
    is_same = before is not None and before.version == delivery.version
    return before if before and is_same else Pending(delivery.version, now)


def _segment(stretch: Stretch, verdicts: Mapping[str, Verdict], now: float) -> Segment:
    given = [(each, verdicts.get(each.key, "made")) for each in stretch.deliveries]
    if all(verdict in DONE for _, verdict in given):
        return Segment(stretch.last, stretch.digest)
    pending = {
        each.key: noted(each, stretch.pending(each.key), verdict, now)
        for each, verdict in given
        if verdict != "made"
    }
    return Segment(stretch.last, "", pending)


def _behind(cursor: Cursor, last: str) -> Iterator[Segment]:
    return (each for each in cursor.segments if each.last > last)


def _lies_still(delivery: Delivery, pending: Pending | None, given: Circumstances) -> bool:
    """Whether it is old, or has not changed while we watched: a vendor's clock may be wrong."""
    since = min(delivery.modified, pending.since if pending else given.now)
    return given.now - since >= given.settle


def _known(sightings: Iterable[Sighting], strangers: list[str]) -> Iterator[Sighting]:
    for sighting in sightings:
        if sighting.key is None:
            strangers.append(sighting.path)
        else:
            yield sighting


def _pieces(
    found: Iterable[Delivery], size: int, *, is_open: bool
) -> Iterable[tuple[Delivery, ...]]:
    """The end of the listing in segments; one in its midst may double before it is cut.

    Otherwise every late object would leave a small segment behind.
    """
    if is_open:
        return _chunks(found, size)
    whole = tuple(found)
    return _chunks(whole, size) if _count(whole) > 2 * size else [whole]


def _chunks(found: Iterable[Delivery], size: int) -> Iterator[tuple[Delivery, ...]]:
    chunk: list[Delivery] = []
    count = 0
    for delivery in found:
        chunk.append(delivery)
        count += len(delivery.objects)
        if count >= size:
            yield tuple(chunk)
            chunk, count = [], 0
    if chunk:
        yield tuple(chunk)


def _count(found: Iterable[Delivery]) -> int:
    return sum(len(each.objects) for each in found)


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
