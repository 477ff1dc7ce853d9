"""One pass over the listing of a landing zone, compared with what the cursor remembers.

A pass groups the listed objects into deliveries and the deliveries into segments. A segment whose
digest equals the remembered one holds nothing new, so nobody asks the lake about it. A pass may end
before the listing does; the next tick then continues behind the last segment that was read.
"""

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from pipeline_assets.landing.zone import Sighting
from pipeline_assets.orchestration.sensors.cursor import (
    DONE,
    EVENT_SECONDS,
    SEGMENT_OBJECTS,
    Cursor,
    Delivery,
    Pending,
    Segment,
    Verdict,
)


@dataclass(frozen=True)
class ListedSegment:
    """Deliveries that follow one another in the listing, as they are now; at least one.

    Attributes:
        after: The path behind which the segment begins.
        deliveries: Its deliveries in the order of their paths.
        remembered: The segment of the cursor that covers the same paths.
    """

    after: str
    deliveries: tuple[Delivery, ...]
    remembered: Segment | None = None

    @property
    def last(self) -> str:
        """Path of the last object."""
        return self.deliveries[-1].last

    @property
    def objects(self) -> int:
        """Number of objects."""
        return _count(self.deliveries)

    @cached_property
    def digest(self) -> str:
        """Hash of the partition keys and versions of all deliveries."""
        text = "\n".join(f"{each.key}@{each.version}" for each in self.deliveries)
        return base64.b85encode(hashlib.blake2b(text.encode(), digest_size=10).digest()).decode()

    @property
    def has_changed(self) -> bool:
        """Whether the deliveries differ from those that the cursor remembers as done."""
        return self.remembered is None or self.remembered.digest != self.digest

    def pending(self, key: str) -> Pending | None:
        """What the cursor remembers of the delivery of a partition."""
        return self.remembered.pending.get(key) if self.remembered else None


@dataclass(frozen=True)
class ListingPass:
    """The result of one pass.

    Attributes:
        segments: The segments that were read, in the order of their paths.
        is_complete: Whether the listing ended with them.
        unrecognised: Paths of objects that belong to no partition.
    """

    segments: tuple[ListedSegment, ...]
    is_complete: bool
    unrecognised: tuple[str, ...] = ()

    @property
    def changed(self) -> list[Delivery]:
        """The deliveries of all changed segments: each needs a verdict."""
        return [it for each in self.segments if each.has_changed for it in each.deliveries]

    @property
    def objects(self) -> int:
        """Number of objects that were listed."""
        return sum(each.objects for each in self.segments)


def read_listing(
    cursor: Cursor,
    sightings: Iterable[Sighting],
    is_enough: Callable[[int], bool],
    segment_objects: int = SEGMENT_OBJECTS,
) -> ListingPass:
    """Read the listing until it ends or ``is_enough`` says stop.

    Args:
        cursor: Where the previous pass ended.
        sightings: The listing from there on.
        is_enough: Called after every segment with the number of objects listed so far.
        segment_objects: Number of objects after which a new segment begins.
    """
    unrecognised: list[str] = []
    remembered = [each for each in cursor.segments if each.last > cursor.after]
    deliveries = _deliveries(sightings, unrecognised)
    found: list[ListedSegment] = []
    for segment in _segments(deliveries, remembered, segment_objects, cursor.after):
        found.append(segment)
        if is_enough(sum(each.objects for each in found)):
            return ListingPass(tuple(found), is_complete=False, unrecognised=tuple(unrecognised))
    return ListingPass(tuple(found), is_complete=True, unrecognised=tuple(unrecognised))


def next_cursor(
    cursor: Cursor, found: ListingPass, verdicts: Mapping[str, Verdict], now: float
) -> Cursor:
    """The cursor after a pass.

    Where the limit of run requests left deliveries for later, the next pass begins with them.
    """
    segments = [each for each in cursor.segments if each.last <= cursor.after]
    for listed in found.segments:
        segments.append(_segment(listed, verdicts, now))
        if any(verdicts.get(each.key) == "later" for each in listed.deliveries):
            return Cursor(listed.after, (*segments, *_behind(cursor, listed.last)))
    if found.is_complete:
        return Cursor("", tuple(segments))
    last = found.segments[-1].last
    return Cursor(last, (*segments, *_behind(cursor, last)))


def next_inbox(
    before: Mapping[str, Pending],
    found: Mapping[str, Delivery],
    verdicts: Mapping[str, Verdict],
    now: float,
) -> dict[str, Pending]:
    """What the inbox remembers of a source after a tick.

    A requested delivery stays remembered for as long as the queue may repeat events about it.

    Args:
        before: What the inbox remembered, by partition.
        found: The deliveries that this tick listed, by partition.
        verdicts: The verdict on each of them.
        now: In seconds since 1970.
    """
    untouched = {key: each for key, each in before.items() if key not in verdicts}
    listed = {
        key: _pending(found[key], before.get(key), verdict, now)
        for key, verdict in verdicts.items()
        if verdict not in {"materialised", "refused"}
    }
    return {
        key: each
        for key, each in {**untouched, **listed}.items()
        if not (each.requested and now - each.since > EVENT_SECONDS)
    }


def _deliveries(sightings: Iterable[Sighting], unrecognised: list[str]) -> Iterator[Delivery]:
    """Group neighbouring objects of one partition; collect paths without a partition."""

    def recognised() -> Iterator[Sighting]:
        # Filtered before grouping: a stray object between two objects of one partition must not
        # split their delivery into two.
        for sighting in sightings:
            if sighting.key is None:
                unrecognised.append(sighting.path)
            else:
                yield sighting

    for key, group in groupby(recognised(), key=lambda each: each.key or ""):
        items = list(group)
        yield Delivery(key, tuple(each.item for each in items), items[-1].path)


def _segments(
    found: Iterable[Delivery], remembered: Sequence[Segment], size: int, after: str
) -> Iterator[ListedSegment]:
    """Divide deliveries at the remembered bounds, and behind the last bound by size."""
    bounds = [each.last for each in remembered[:-1]]
    for slot, group in groupby(found, key=lambda each: bisect_left(bounds, each.last)):
        if slot < len(bounds):
            # A remembered segment may double before it is divided. Otherwise every late object
            # would leave a small segment behind, and the cursor would grow.
            whole = tuple(group)
            pieces = _chunks(whole, size if _count(whole) > 2 * size else _count(whole))
        else:
            pieces = _chunks(group, size)
        for piece in pieces:
            segment = ListedSegment(after, piece, remembered[slot] if remembered else None)
            after = segment.last
            yield segment


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


def _segment(listed: ListedSegment, verdicts: Mapping[str, Verdict], now: float) -> Segment:
    # Without a verdict the segment has not changed, so all its deliveries are materialised.
    given = [(each, verdicts.get(each.key, "materialised")) for each in listed.deliveries]
    if all(verdict in DONE for _, verdict in given):
        return Segment(listed.last, listed.digest)
    pending = {
        each.key: _pending(each, listed.pending(each.key), verdict, now)
        for each, verdict in given
        if verdict != "materialised"
    }
    # The empty digest equals no other, so the next pass asks for verdicts again.
    return Segment(listed.last, "", pending)


def _pending(delivery: Delivery, before: Pending | None, verdict: Verdict, now: float) -> Pending:
    """What to remember of a delivery that is requested or has to wait."""
    if verdict == "due":
        return Pending(delivery.version, now, requested=True)
    if before and before.version == delivery.version:
        return before
    return Pending(delivery.version, now)


def _behind(cursor: Cursor, last: str) -> Iterator[Segment]:
    return (each for each in cursor.segments if each.last > last)


def _count(found: Iterable[Delivery]) -> int:
    return sum(len(each.objects) for each in found)
