import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.dataset.values.objects import StoredObject
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.zone import Sighting
from pipeline_assets.orchestration.sensors.cursor import (
    Cursor,
    Delivery,
    Inbox,
    Pending,
    Segment,
    Verdict,
)
from pipeline_assets.orchestration.sensors.listing_pass import (
    ListingPass,
    next_cursor,
    next_inbox,
    read_listing,
)
from pipeline_assets.orchestration.sensors.verdicts import LakeState, verdict_on, verdicts_on
from pipeline_assets_tests.orchestration.sensors.simulated_world import WAITS
from pipeline_assets_tests.orchestration.sensors.simulation import simulated

NOW = 1_000_000.0
CALM = LakeState(now=NOW, settle=60, limit=100)

Objects = Mapping[str, str]


def sightings(objects: Objects, after: str = "") -> Iterator[Sighting]:
    """Objects as ``{"key/name": etag}``, written long ago."""
    for path, etag in sorted(objects.items()):
        if path > after:
            item = StoredObject(f"/zone/{path}", etag, 1, datetime.fromtimestamp(0, UTC))
            yield Sighting(path, path.partition("/")[0] if "/" in path else None, item)


def seen(
    objects: Objects, cursor: Cursor, *, at_most: int = 1_000_000, size: int = 2
) -> ListingPass:
    return read_listing(
        cursor, sightings(objects, cursor.after), lambda count: count >= at_most, size
    )


def changed(objects: Objects, cursor: Cursor, **options: int) -> list[str]:
    return [each.key for each in seen(objects, cursor, **options).changed]


def after_looking(
    objects: Objects, cursor: Cursor | None = None, given: LakeState = CALM, **options: int
) -> Cursor:
    cursor = cursor or Cursor()
    found = seen(objects, cursor, **options)
    return next_cursor(cursor, found, verdicts_on(found, given), given.now)


@pytest.fixture(scope="module")
def shared_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.mark.parametrize("by_events", [False, True], ids=["by listing", "by events"])
@hypothesis.settings(max_examples=25)
@given(chance=st.randoms(use_true_random=False))
def test_whatever_happens_every_delivery_is_made_once(
    chance: random.Random, by_events: bool, shared_instance: dg.DagsterInstance
) -> None:
    world = simulated(chance, shared_instance, by_events=by_events)
    assert (world.missed, world.repeats) == ([], 0)
    assert world.tries <= 1 + len(WAITS)
    assert not (by_events and world.queue), "a message was never deleted"


WEEK = {f"{day}/{name}": "e1" for day in ("fri", "mon", "thu", "tue", "wed") for name in "12"}


def test_nothing_is_requested_of_a_delivery_that_has_lost_objects() -> None:
    found = seen(WEEK, Cursor())
    given = replace(CALM, withdrawn=frozenset({"mon"}))
    verdicts = verdicts_on(found, given)
    assert {key for key, verdict in verdicts.items() if verdict != "due"} == {"mon"}
    cursor = next_cursor(Cursor(), found, verdicts, NOW)
    assert changed(WEEK, cursor) == [], "it is not looked into again before its objects change"


def test_what_was_looked_into_is_not_looked_into_again() -> None:
    cursor = after_looking(WEEK)
    assert changed(WEEK, cursor) == []


def test_only_the_segment_of_a_change_is_looked_into() -> None:
    cursor = after_looking(WEEK)
    assert [each.last for each in cursor.segments] == ["fri/2", "mon/2", "thu/2", "tue/2", "wed/2"]
    assert changed(WEEK | {"thu/1": "e2"}, cursor) == ["thu"]
    assert changed(WEEK | {"wed/3": "e1"}, cursor) == ["wed"]
    assert changed(WEEK | {"ash/1": "e1"}, cursor) == ["ash", "fri"]
    without_monday = {path: etag for path, etag in WEEK.items() if not path.startswith("mon")}
    assert changed(without_monday, cursor) == []


def test_a_segment_that_doubles_is_cut() -> None:
    full = {f"k{number:03}/1": "e" for number in range(0, 100, 2)}
    cursor = after_looking(full, size=10)
    assert len(cursor.segments) == 5
    late = full | {f"k{number:03}/1": "e" for number in range(1, 20, 2)}
    assert len(after_looking(late, cursor, size=10).segments) == 5
    later = late | {f"k001x{number}/1": "e" for number in range(5)}
    assert len(after_looking(later, after_looking(late, cursor, size=10), size=10).segments) == 7


def test_a_long_listing_is_read_in_several_looks() -> None:
    cursor, looks = Cursor(), []
    for _ in range(3):
        looks.append(changed(WEEK, cursor, at_most=4))
        cursor = after_looking(WEEK, cursor, at_most=4)
    assert looks == [["fri", "mon"], ["thu", "tue"], ["wed"]]
    assert cursor.after == ""
    assert changed(WEEK, cursor) == []


def test_what_is_too_much_at_once_comes_next() -> None:
    few = replace(CALM, limit=3)
    first = after_looking(WEEK, given=few)
    found = seen(WEEK, first)
    assert first.after == "thu/2"
    assert verdicts_on(found, few) == {"tue": "due", "wed": "due"}


def test_objects_without_a_partition_are_named() -> None:
    found = seen({"readme": "e", "mon/1": "e"}, Cursor())
    assert found.unrecognised == ("readme",)
    assert [each.key for each in found.changed] == ["mon"]


def delivery(age: float = 3600) -> Delivery:
    item = StoredObject("/zone/mon/1", "e1", 1, datetime.fromtimestamp(NOW - age, UTC))
    return Delivery("mon", (item,), "mon/1")


VERSION = delivery().version
JUDGED: dict[str, tuple[Delivery, Pending | None, LakeState, Verdict]] = {
    "lies still": (delivery(), None, CALM, "due"),
    "is the one that the lake was made from": (
        delivery(0),
        None,
        replace(CALM, materialised={"mon": VERSION}),
        "materialised",
    ),
    "the lake was made from another": (
        delivery(),
        None,
        replace(CALM, materialised={"mon": "v0"}),
        "due",
    ),
    "was just written": (delivery(5), None, CALM, "growing"),
    "has the time of a clock ahead": (delivery(-3600), None, CALM, "growing"),
    "has such a time, but lay still while we watched": (
        delivery(-3600),
        Pending(VERSION, NOW - 60),
        CALM,
        "due",
    ),
    "grew while we watched": (delivery(5), Pending("v0", NOW - 60), CALM, "growing"),
    "was requested": (delivery(), Pending(VERSION, NOW, requested=True), CALM, "requested"),
    "changed since it was requested": (
        delivery(),
        Pending("v0", NOW, requested=True),
        CALM,
        "due",
    ),
    "is being made": (
        delivery(),
        None,
        replace(CALM, in_progress=frozenset(["mon"])),
        "in_progress",
    ),
    "is of an open window": (delivery(), None, replace(CALM, early=frozenset(["mon"])), "early"),
    "is of no partition": (delivery(), None, replace(CALM, refused=frozenset(["mon"])), "refused"),
}


@pytest.mark.parametrize(("found", "pending", "given", "verdict"), JUDGED.values(), ids=JUDGED)
def test_a_delivery_that(
    found: Delivery, pending: Pending | None, given: LakeState, verdict: Verdict
) -> None:
    assert verdict_on(found, pending, given) == verdict


PENDINGS = st.dictionaries(
    st.text(max_size=5), st.builds(Pending, st.text(max_size=5), st.floats(0, 1e10), st.booleans())
)


@given(
    st.text(),
    st.lists(st.builds(Segment, st.text(max_size=5), st.text(max_size=5), PENDINGS), max_size=5),
)
def test_a_cursor_survives_being_written(after: str, segments: list[Segment]) -> None:
    cursor = Cursor(after, tuple(segments))
    assert Cursor.decode(cursor.encode()) == cursor


@given(st.dictionaries(st.text(max_size=5), PENDINGS))
def test_an_inbox_survives_being_written(pending: dict[str, dict[str, Pending]]) -> None:
    assert Inbox.decode(Inbox(pending).encode()) == Inbox(pending)


KEPT: dict[str, tuple[dict[str, Pending], Verdict, dict[str, Pending]]] = {
    "is new and grows": ({}, "growing", {"mon": Pending(VERSION, NOW)}),
    "grows as it did": (
        {"mon": Pending(VERSION, NOW - 9)},
        "growing",
        {"mon": Pending(VERSION, NOW - 9)},
    ),
    "has changed while it grew": (
        {"mon": Pending("v0", NOW - 9)},
        "growing",
        {"mon": Pending(VERSION, NOW)},
    ),
    "is requested": (
        {"mon": Pending(VERSION, NOW - 9)},
        "due",
        {"mon": Pending(VERSION, NOW, requested=True)},
    ),
    "is made": ({"mon": Pending(VERSION, NOW - 9, requested=True)}, "materialised", {}),
    "is no partition": ({"mon": Pending(VERSION, NOW - 9)}, "refused", {}),
    "was requested an hour ago": (
        {"mon": Pending(VERSION, NOW - 3600, requested=True)},
        "requested",
        {"mon": Pending(VERSION, NOW - 3600, requested=True)},
    ),
    "was requested longer ago": (
        {"mon": Pending(VERSION, NOW - 3601, requested=True)},
        "requested",
        {},
    ),
    "waits for longer": (
        {"mon": Pending(VERSION, NOW - 9999)},
        "in_progress",
        {"mon": Pending(VERSION, NOW - 9999)},
    ),
}


@pytest.mark.parametrize(("before", "verdict", "after"), KEPT.values(), ids=KEPT)
def test_what_an_inbox_keeps_of_a_delivery_that(
    before: dict[str, Pending], verdict: Verdict, after: dict[str, Pending]
) -> None:
    assert next_inbox(before, {"mon": delivery()}, {"mon": verdict}, NOW) == after


def test_an_inbox_keeps_what_was_not_looked_at() -> None:
    other = {"tue": Pending("v7", NOW - 50)}
    assert next_inbox(other, {"mon": delivery()}, {"mon": "materialised"}, NOW) == other
    inbox = Inbox({"diary": other})
    assert inbox.of("diary") == other
    assert inbox.of("elsewhere") == {}


def test_a_segment_keeps_since_when_its_objects_lie_there_as_they_do() -> None:
    growing = replace(CALM, settle=NOW + 60)
    first = after_looking({"mon/1": "e"}, given=growing)
    later = replace(growing, now=NOW + 7)
    (before,) = first.segments
    (same,) = after_looking({"mon/1": "e"}, first, later).segments
    (changed_,) = after_looking({"mon/1": "f"}, first, later).segments
    assert before.digest == "", "it has to be looked into again"
    assert before.pending["mon"].since == same.pending["mon"].since == NOW
    assert changed_.pending["mon"].since == NOW + 7


def test_a_sensor_starts_with_nothing() -> None:
    assert (Cursor.decode(None), Inbox.decode(None)) == (Cursor(), Inbox())


@pytest.mark.parametrize("text", ["{}", "no cursor", "ä"])
def test_the_cursor_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(PipelineError, match=r"^This cursor is not ours: reset it"):
        Cursor.decode(text)


def test_a_hundred_thousand_objects_are_a_few_kilobytes() -> None:
    objects = {f"{number // 20:06}/users-{number % 20:02}.csv": "e" for number in range(10**5)}
    cursor = after_looking(objects, given=replace(CALM, limit=10**5), size=1000)
    assert len(cursor.segments) == 100
    assert len(cursor.encode()) < 4000
