"""One look at a landing zone: what lies there, a stretch of neighbouring objects at a time."""

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
