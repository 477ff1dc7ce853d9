"""A new version of rows by key: seen whole or not at all, whatever happens to its writer."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.keys import writing
from pipeline_assets.keys.client import PATIENCE, KeyTable
from pipeline_assets.keys.items import ITEM_BYTES, Retired, Shown, version_of
from pipeline_assets.keys.reading import counted, read_key, read_state
from pipeline_assets.keys.values import finite, row_text
from pipeline_assets.keys.writing import KeyRows, StagedVersion, stage
from pipeline_assets_tests.doubles.dynamodb import Client, Killed, Throttled

TABLE = "music.plays"
SCHEMA = pa.schema([("listener", pa.string()), ("plays", pa.int64()), ("day", pa.string())])
Days = Mapping[str, Mapping[str, int]]


def staged(keys: KeyTable, days: Days) -> StagedVersion:
    groups = (
        KeyRows(day, who, (json.dumps({"listener": who, "plays": plays, "day": day}),))
        for day, of_day in days.items()
        for who, plays in of_day.items()
    )
    return stage(keys, TABLE, days, groups, SCHEMA, 7)


def published(keys: KeyTable, days: Days) -> None:
    staged(keys, days).show()


def plays(keys: KeyTable, who: str) -> dict[str, int]:
    """What readers see of a listener, by day."""
    state = read_state(keys, TABLE)
    rows = read_key(keys, TABLE, who, state).rows.to_pylist() if state else []
    return {row["day"]: row["plays"] for row in rows}


def shown(keys: KeyTable) -> dict[str, Shown]:
    state = read_state(keys, TABLE)
    return dict(state.shown) if state else {}


def lasting(keys: KeyTable) -> set[Retired]:
    """The versions whose items do not expire."""
    items = keys.scan(f"{TABLE}#")
    return {version_of(item["sk"]["S"]) for item in items if "expires" not in item}


MON = {"mon": {"ada": 1, "bob": 2}}
NEW = {"mon": {"ada": 10, "cyd": 30}}


def test_readers_see_the_rows_of_a_key_in_all_partitions(keys: KeyTable) -> None:
    published(keys, {**MON, "tue": {"ada": 3}})
    assert plays(keys, "ada") == {"mon": 1, "tue": 3}
    assert plays(keys, "bob") == {"mon": 2}
    assert plays(keys, "nobody") == {}


def test_a_new_version_replaces_its_partitions_and_the_old_one_expires(keys: KeyTable) -> None:
    published(keys, {**MON, "tue": {"ada": 3}})
    published(keys, NEW)
    assert plays(keys, "ada") == {"mon": 10, "tue": 3}
    assert plays(keys, "bob") == {}, "bob is no longer in the partition"
    assert lasting(keys) == {Retired("mon", 2), Retired("tue", 1)}
    assert dict(counted(keys, TABLE)) == shown(keys)


def test_a_partition_without_rows_becomes_empty(keys: KeyTable) -> None:
    published(keys, MON)
    published(keys, {"mon": {}})
    assert plays(keys, "ada") == {}
    assert lasting(keys) == set()


def test_what_was_discarded_is_never_seen_and_expires(keys: KeyTable) -> None:
    published(keys, MON)
    version = staged(keys, NEW)
    version.discard()
    assert plays(keys, "ada") == {"mon": 1}
    assert lasting(keys) == {Retired("mon", 1)}
    with pytest.raises(PipelineError, match="run it again"):
        version.show()


@pytest.mark.parametrize("at", range(1, 30))
def test_a_writer_may_be_killed_before_any_request(
    moto_keys: KeyTable, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(moto_keys, MON)

    def kill(number: int, _action: str, _arguments: dict[str, Any]) -> None:
        if number >= at:
            raise Killed

    mortal = replace(moto_keys, connect=lambda: Client(moto_keys.client, kill))
    with suppress(Killed):
        published(mortal, NEW)
    seen = {who: plays(moto_keys, who) for who in ("ada", "bob", "cyd")}
    before = {"ada": {"mon": 1}, "bob": {"mon": 2}, "cyd": {}}
    after = {"ada": {"mon": 10}, "bob": {}, "cyd": {"mon": 30}}
    assert seen in (before, after)
    assert dict(counted(moto_keys, TABLE)) == shown(moto_keys)
    # The next publish sees to what the killed one has left behind, once it is surely dead.
    monkeypatch.setattr(writing, "ABANDONED_SECONDS", -1)
    published(moto_keys, NEW)
    assert plays(moto_keys, "ada") == {"mon": 10}
    assert lasting(moto_keys) == {Retired("mon", shown(moto_keys)["mon"].number)}


def test_a_throttled_writer_loses_nothing(keys: KeyTable) -> None:
    slow = replace(
        keys,
        connect=lambda: Throttled(keys.client),
        patience=replace(PATIENCE, longest_seconds=0.01),
    )
    many = {"mon": {f"listener {number}": number for number in range(60)}}
    published(slow, many)
    published(slow, many)
    assert [plays(slow, f"listener {number}") for number in range(60)] == [
        {"mon": number} for number in range(60)
    ]
    assert lasting(keys) == {Retired("mon", 2)}


def test_one_that_stays_throttled_ends_with_a_line(keys: KeyTable) -> None:
    def refuse(_number: int, action: str, _arguments: dict[str, Any]) -> None:
        Throttled(None).mishap(1, action, {})

    dead = replace(
        keys,
        connect=lambda: Client(keys.client, refuse),
        patience=replace(PATIENCE, outage_seconds=0.1),
    )
    with pytest.raises(PipelineError, match="slow down"):
        published(dead, MON)


def test_of_two_versions_at_once_the_newer_one_stays(keys: KeyTable) -> None:
    older, newer = staged(keys, MON), staged(keys, NEW)
    newer.show()
    with pytest.raises(PipelineError, match=r"A newer version of music\.plays was published"):
        older.show()
    older.discard()
    assert plays(keys, "ada") == {"mon": 10}
    assert lasting(keys) == {Retired("mon", 2)}


def test_two_writers_of_other_partitions_lose_nothing(keys: KeyTable) -> None:
    days = ("mon", "tue", "wed", "thu")
    writers = [
        threading.Thread(target=published, args=(keys, {day: {"ada": number}}))
        for number, day in enumerate(days)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert plays(keys, "ada") == {day: number for number, day in enumerate(days)}


def test_readers_see_one_version_whole_while_others_are_published(keys: KeyTable) -> None:
    def version(number: int) -> Days:
        return {day: {"ada": number} for day in ("mon", "tue")}

    published(keys, version(0))
    is_over, seen = threading.Event(), []

    def read() -> None:
        while not is_over.is_set():
            seen.append(tuple(plays(keys, "ada").values()))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 6):
        published(keys, version(number))
    is_over.set()
    reader.join()
    assert {(number, number) for number in range(6)} >= set(seen)
    assert len(seen) > 1


def test_rows_of_a_key_may_be_larger_than_an_item(keys: KeyTable) -> None:
    rows = tuple(
        json.dumps({"listener": "x" * (ITEM_BYTES // 3), "plays": number, "day": "mon"})
        for number in range(7)
    )
    stage(keys, TABLE, ["mon"], [KeyRows("mon", "ada", rows)], SCHEMA, 7).show()
    state = read_state(keys, TABLE)
    assert state
    found = read_key(keys, TABLE, "ada", state).rows
    assert found["plays"].to_pylist() == list(range(7))


@pytest.mark.parametrize("key", ["", "a#b", "ada#mon", "é" * 3_000, "state", "music.plays/1"])
def test_a_key_may_be_any_text(moto_keys: KeyTable, key: str) -> None:
    published(moto_keys, {"mon#1": {key: 4, "other": 5}})
    assert plays(moto_keys, key) == {"mon#1": 4}


def test_values_come_back_as_they_were(moto_keys: KeyTable) -> None:
    row = {
        "money": Decimal("12345678901234567890.12345"),
        "when": datetime(2026, 1, 2, 3, 4, 5, 678901),
        "zoned": datetime(2026, 1, 2, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "big": 2**62 + 1,
        "part": 0.1 + 0.2,
        "none": None,
        "vector": [1.5, float("inf")],
        "raw": b"\x00\xff",
        "is_it": True,
    }
    schema = pa.schema(
        [
            ("money", pa.decimal128(38, 5)),
            ("when", pa.timestamp("us")),
            ("zoned", pa.timestamp("us", "UTC")),
            ("day", pa.date32()),
            ("big", pa.int64()),
            ("part", pa.float64()),
            ("none", pa.string()),
            ("vector", pa.list_(pa.float32())),
            ("raw", pa.binary()),
            ("is_it", pa.bool_()),
        ]
    )
    text = row_text({name: finite(value) for name, value in row.items()})
    stage(moto_keys, TABLE, ["mon"], [KeyRows("mon", "ada", (text,))], schema, 7).show()
    state = read_state(moto_keys, TABLE)
    assert state
    found = read_key(moto_keys, TABLE, "ada", state).rows
    assert found.schema == schema
    assert found.to_pylist() == [row]


def test_a_table_that_is_not_there_is_a_line(moto_keys: KeyTable) -> None:
    with pytest.raises(PipelineError, match=r"DynamoDB has no table nowhere; docs/keys\.md"):
        published(replace(moto_keys, name="nowhere"), MON)
