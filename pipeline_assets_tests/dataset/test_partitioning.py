from datetime import UTC, datetime

import dagster as dg
import ibis.expr.datatypes as dt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.dataset.partitioning import Partitioning

DAYS = Partitioning(
    "day", dg.DailyPartitionsDefinition(start_date="2024-01-01"), column_type=dt.date
)
HOURS = Partitioning("hour", dg.HourlyPartitionsDefinition(start_date="2024-01-01-00:00"))
SPLITS = Partitioning("split", dg.StaticPartitionsDefinition(["train", "test"]))
NAMES = Partitioning("name", dg.DynamicPartitionsDefinition(name="name"))
DATES = Partitioning("date", dg.DynamicPartitionsDefinition(name="date"), follows_time=True)
FAR = "2999-12-31"


def utc(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 1, day, hour, tzinfo=UTC)


def test_a_window_is_half_open_and_in_utc() -> None:
    assert DAYS.windows(["2024-01-01", "2024-01-05"]) == {
        "2024-01-01": (utc(1), utc(2)),
        "2024-01-05": (utc(5), utc(6)),
    }
    assert HOURS.windows(["2024-01-01-05:00"]) == {"2024-01-01-05:00": (utc(1, 5), utc(1, 6))}
    assert SPLITS.windows(["train"]) == {}


def test_how_long_a_window_is() -> None:
    assert str(DAYS.window_length) == "1 day, 0:00:00"
    assert str(HOURS.window_length) == "1:00:00"
    assert NAMES.window_length is None


def test_what_has_an_order_in_time() -> None:
    assert [each.is_ordered for each in (DAYS, HOURS, DATES, SPLITS, NAMES)] == [
        *[True, True, True],
        *[False, False],
    ]


def test_closed_windows_that_hold_a_moment_of_a_span() -> None:
    found = DAYS.closed_keys(utc(2, 23), utc(4))
    assert found == {"2024-01-02", "2024-01-03", "2024-01-04"}
    assert DAYS.closed_keys(utc(1).replace(year=2999), utc(9).replace(year=2999)) == set()
    assert SPLITS.closed_keys(utc(2), utc(4)) == set()


CUTS = (
    DAYS,
    # To write out all hours, as the test does, takes a second a year.
    Partitioning("hour", dg.HourlyPartitionsDefinition(start_date="2026-09-01-00:00")),
    Partitioning("week", dg.WeeklyPartitionsDefinition(start_date="2024-01-07")),
    Partitioning("month", dg.MonthlyPartitionsDefinition(start_date="2024-01-01")),
)
MOMENTS = st.datetimes(datetime(2023, 6, 1), datetime(2124, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.column)
@given(first=MOMENTS, last=MOMENTS)
@settings(max_examples=10, deadline=None)
def test_windows_of_a_span_are_those_of_all_that_hold_a_moment_of_it(
    cut: Partitioning, first: datetime, last: datetime
) -> None:
    definition = cut.in_time
    assert definition
    spans = cut.windows(definition.get_partition_keys())
    expected = {key for key, (start, end) in spans.items() if start <= last and first < end}
    assert cut.closed_keys(first, last) == (expected if first <= last else set())


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.column)
def test_a_key_of_no_window_is_none(cut: Partitioning) -> None:
    assert cut.in_time
    keys = cut.in_time.get_partition_keys()
    foreign = ["2024-01-03-05:30", "2024-1-1", "2023-12-31", FAR, "", "2024-01-03-05:00x"]
    assert cut.ended([*keys, *foreign]) == set(keys)


def test_a_window_is_open_until_it_has_ended() -> None:
    assert DAYS.is_open(FAR)
    assert not DAYS.is_open("2024-01-01")
    assert not DAYS.is_open("no day")
    assert not DAYS.is_open("2999-1-1"), "not written as keys are"
    assert not SPLITS.is_open("train")


COMPLAINTS = {
    (SPLITS, "valid"): "is not train or test",
    (SPLITS, "train"): None,
    (DAYS, "2023-12-31"): "is no window from 2024-01-01 on, written like that one",
    (DAYS, "2024-1-1"): "is no window from 2024-01-01 on, written like that one",
    (DAYS, "0000-01-01"): "is no window from 2024-01-01 on, written like that one",
    (DAYS, "9999-12-31"): "is no window from 2024-01-01 on, written like that one",
    (DAYS, "2024-01-01"): None,
    (DAYS, FAR): None,
    (NAMES, "anything"): None,
}


@pytest.mark.parametrize(
    ("cut", "key", "complaint"),
    [(cut, key, text) for (cut, key), text in COMPLAINTS.items()],
    ids=[f"{cut.column} {key}" for cut, key in COMPLAINTS],
)
def test_what_is_wrong_with_a_key(cut: Partitioning, key: str, complaint: str | None) -> None:
    assert cut.complaint(key) == complaint


def test_windows_that_feed_one_are_found_among_those_there_are() -> None:
    last_two = dg.TimeWindowPartitionMapping(start_offset=-1)
    among = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]
    assert DAYS.upstream_keys("2024-01-04", DAYS, last_two, among) == ["2024-01-03", "2024-01-04"]
    assert DAYS.upstream_keys("2024-01-04", DAYS, last_two, ["2024-01-04"]) == ["2024-01-04"]


def test_all_partitions_can_feed_one(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("name", ["b", "a"])
    every = dg.AllPartitionMapping()
    assert NAMES.upstream_keys("a", NAMES, every, ["a", "b", "gone"], instance) == ["a", "b"]
    assert SPLITS.upstream_keys("train", SPLITS, every, ["test"]) == ["test"]


ADDED = ("c", "a", "b")
"""The order of names is the one in which they were added."""
RANGES = {
    "windows": (DAYS, "2024-01-02", "2024-01-03", ["2024-01-02", "2024-01-03"]),
    "splits": (SPLITS, "train", "test", ["train", "test"]),
    "one split": (SPLITS, "train", "train", ["train"]),
    "names": (NAMES, "c", "a", ["c", "a"]),
    "names to one that is gone": (NAMES, "a", "gone", ["a", "b"]),
    "names from one that is gone": (NAMES, "gone", "a", ["c", "a"]),
}


@pytest.mark.parametrize(("cut", "first", "last", "inside"), RANGES.values(), ids=RANGES)
def test_a_range_holds(
    cut: Partitioning, first: str, last: str, inside: list[str], instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions("name", list(ADDED))
    days = [f"2024-01-0{day}" for day in range(1, 5)]
    keys = {"day": days, "split": ["train", "test"], "name": [*ADDED, "unknown"]}[cut.column]
    assert [key for key in keys if cut.is_between(key, first, last, instance)] == inside
