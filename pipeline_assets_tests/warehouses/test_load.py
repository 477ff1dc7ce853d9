"""What every warehouse promises: each test runs on Postgres and on the doubles of Redshift."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.read import stream
from pipeline_assets.warehouses.postgres import POSTGRES
from pipeline_assets.warehouses.redshift.sql import REDSHIFT
from pipeline_assets.warehouses.table import WarehouseTable
from pipeline_assets_tests.warehouses.house import (
    DAY,
    METRIC,
    NEXT_DAY,
    House,
    ask,
    batch,
    contents,
    every_route,
    load,
    load_partitions,
    partition_rows,
    spent,
    until,
)

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]


@every_route
def test_the_first_load_makes_schema_and_table(house: House) -> None:
    loaded = load_partitions(house, METRIC, [DAY], [batch(DAY, "1.50", "0.00001")])
    assert loaded == 2
    assert contents(house) == [
        {"customer_id": 1, "amount_spent": Decimal("1.50000"), "insert_date": DAY},
        {"customer_id": 2, "amount_spent": Decimal("0.00001"), "insert_date": DAY},
    ]


def test_descriptions_become_comments(house: House) -> None:
    def comments() -> list[dict[str, object]]:
        return ask(
            house.dsn,
            """SELECT obj_description(c) AS row, col_description(c, 2) AS spent
               FROM (SELECT 'rentals.user_behavior_metric'::regclass::oid AS c) AS found""",
        )

    load(house, DAY, "1")
    before = comments()
    changed = replace(METRIC, descriptions={"amount_spent": "Dollars."})
    load_partitions(house, changed, [DAY], [])
    assert before == [{"row": "What a customer did on a day.", "spent": "Euros, it's exact."}]
    assert comments() == [{"row": "What a customer did on a day.", "spent": "Dollars."}]


@every_route
def test_a_load_replaces_its_partition_and_no_other(house: House) -> None:
    load(house, DAY, "1", "2")
    load(house, NEXT_DAY, "3")
    load(house, DAY, "4")
    load(house, DAY, "4")
    assert spent(house) == {DAY: ["4.00"], NEXT_DAY: ["3.00"]}
    assert partition_rows(house, METRIC) == {DAY: 1, NEXT_DAY: 1}


def test_a_range_of_partitions_is_one_load(house: House) -> None:
    load(house, DAY, "1")
    load(house, NEXT_DAY, "2")
    days = [date.fromordinal(DAY.toordinal() + n) for n in range(100)]
    rows = (batch(day, "7") for day in days if day != NEXT_DAY)
    assert load_partitions(house, METRIC, days, rows) == 99
    assert partition_rows(house, METRIC) == {day: 1 for day in days if day != NEXT_DAY}


def test_no_rows_empty_the_partition(house: House) -> None:
    load(house, DAY, "1")
    assert load_partitions(house, METRIC, [DAY], []) == 0
    assert partition_rows(house, METRIC) == {}


@pytest.mark.parametrize(
    ("values", "other"),
    [(["train", "it's \\ odd"], "test"), ([1, -2], 3), ([True], False)],
)
def test_partitions_of_other_types(house: House, values: list[str | int], other: str | int) -> None:
    kind = pa.scalar(values[0]).type
    columns = pa.schema([("split", kind), ("n", pa.int64())])
    table = WarehouseTable("taobao", "impressions", columns, partition="split")
    rows = pa.RecordBatch.from_pylist([{"split": value, "n": 1} for value in values], columns)
    load_partitions(house, table, [other], [])
    for _ in range(2):
        load_partitions(house, table, values, [rows])
    assert partition_rows(house, table) == dict.fromkeys(values, 1)


@pytest.mark.parametrize("zone", ["UTC", None])
def test_hourly_partitions_are_instants(house: House, zone: str | None) -> None:
    columns = pa.schema([("insert_hour", pa.timestamp("us", zone))])
    table = WarehouseTable("rentals", "hourly", columns, partition="insert_hour")
    hours = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (0, 1)]
    stored = [hour if zone else hour.replace(tzinfo=None) for hour in hours]
    for hour, wall in zip(hours, stored, strict=True):
        rows = pa.RecordBatch.from_pylist([{"insert_hour": wall}], columns)
        for _ in range(2):
            load_partitions(house, table, [hour], [rows])
    assert partition_rows(house, table) == dict.fromkeys(stored, 1)


EVERYTHING = WarehouseTable(
    schema="odd \"schema'",
    name="every thing",
    columns=pa.schema(
        [
            ("p", pa.int16()),
            ("i", pa.int32()),
            ("b", pa.int64()),
            ("n", pa.decimal128(18, 5)),
            ("f", pa.float64()),
            ("r", pa.float32()),
            ("o", pa.bool_()),
            ("d", pa.date32()),
            ("w", pa.timestamp("us")),
            ("z", pa.timestamp("us", "UTC")),
            ("the text", pa.string()),
            ("y", pa.binary()),
        ]
    ),
    partition="p",
)
WALLS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23))
ROWS = st.fixed_dictionaries(
    {
        "p": st.just(1),
        "i": st.none() | st.integers(-(2**31), 2**31 - 1),
        "b": st.none() | st.integers(-(2**63), 2**63 - 1),
        "n": st.none() | st.decimals(-(10**13) + 1, 10**13 - 1, places=5),
        "f": st.none() | st.floats(),
        "r": st.none() | st.floats(width=32),
        "o": st.none() | st.booleans(),
        "d": st.none() | st.dates(),
        "w": st.none() | WALLS,
        "z": st.none() | WALLS.map(lambda wall: wall.replace(tzinfo=UTC)),
        "the text": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        "y": st.none() | st.binary(),
    }
)


def test_every_value_arrives_at_full_precision(house: House, kind: str) -> None:
    # Redshift's bytes are no column of any contract: it has no type for them here.
    lacking = {"y"} if kind != "postgres" else set()
    columns = pa.schema([column for column in EVERYTHING.columns if column.name not in lacking])
    table = replace(EVERYTHING, columns=columns)

    @settings(max_examples=6, deadline=None)
    @given(st.lists(ROWS, max_size=60))
    def every_row_arrives(rows: list[dict[str, object]]) -> None:
        sent = pa.RecordBatch.from_pylist(rows, columns)
        load_partitions(house, table, [1], [sent])
        query = f"SELECT * FROM {table.sql_name} ORDER BY ctid"
        found = pa.Table.from_batches(stream(house.dsn, query, schema=columns), columns)
        assert list(map(comparable, found.to_pylist())) == list(map(comparable, sent.to_pylist()))

    every_row_arrives()


def comparable(row: dict[str, object]) -> dict[str, object]:
    """NaN equals nothing, itself included."""
    return {
        name: "NaN" if isinstance(value, float) and math.isnan(value) else value
        for name, value in row.items()
    }


def test_other_types_are_converted_if_every_value_survives(house: House) -> None:
    table = WarehouseTable("s", "t", pa.schema([("p", pa.int32()), ("t", pa.string())]), "p")
    rows = pa.RecordBatch.from_pydict(
        {"t": pa.array(["é", None]).dictionary_encode(), "p": pa.array([1, 1], pa.int64())}
    )
    load_partitions(house, table, [1], [rows])
    assert contents(house, table) == [{"p": 1, "t": "é"}, {"p": 1, "t": None}]
    wide = pa.RecordBatch.from_pydict({"p": pa.array([2**40]), "t": pa.array(["x"])})
    with pytest.raises(PipelineError, match="column 'p' does not fit int32"):
        load_partitions(house, table, [1], [wide])


def test_nanoseconds_that_microseconds_cannot_hold_are_an_error(house: House) -> None:
    columns = pa.schema([("p", pa.int32()), ("at", pa.timestamp("ns"))])
    table = WarehouseTable("s", "t", columns, "p")
    rows = pa.RecordBatch.from_pydict({"p": [1], "at": [1001]}, columns)
    with pytest.raises(PipelineError, match="column 'at' does not fit timestamp"):
        load_partitions(house, table, [1], [rows])


@every_route
def test_new_columns_are_added(house: House) -> None:
    load(house, DAY, "1")
    wider = replace(METRIC, columns=METRIC.columns.append(pa.field("review_count", pa.int32())))
    rows = batch(NEXT_DAY, "2").append_column("review_count", pa.array([5], pa.int32()))
    load_partitions(house, wider, [NEXT_DAY], [rows])
    assert [row["review_count"] for row in contents(house, wider)] == [None, 5]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (METRIC.columns.set(0, pa.field("customer_id", pa.int64())), "'customer_id' is integer "),
        (
            METRIC.columns.set(1, pa.field("amount_spent", pa.decimal128(18, 4))),
            r"'amount_spent' is numeric\(18,5\) there and numeric\(18,4\) in the contract",
        ),
        (METRIC.columns.remove(0), "has a column 'customer_id' the contract dropped"),
    ],
)
def test_a_table_that_would_need_more_than_new_columns_is_an_error(
    house: House, declared: pa.Schema, message: str
) -> None:
    load(house, DAY, "1")
    other = replace(METRIC, columns=declared, descriptions={})
    with pytest.raises(PipelineError, match=f"rentals.user_behavior_metric.*{message}"):
        load_partitions(house, other, [DAY], [])
    assert spent(house) == {DAY: ["1.00"]}


def test_another_primary_key_is_an_error(house: House) -> None:
    load(house, DAY, "1")
    keyed = replace(METRIC, key=("insert_date", "customer_id"))
    with pytest.raises(PipelineError, match=r"primary key is \[\] there and \['insert_date'"):
        load_partitions(house, keyed, [DAY], [])


@every_route
def test_duplicates_in_the_key_are_an_error(house: House) -> None:
    keyed = replace(METRIC, key=("insert_date", "customer_id"))
    load_partitions(house, keyed, [DAY], [batch(DAY, "1", "2")])
    with pytest.raises(PipelineError, match="two rows share the key insert_date, customer_id"):
        load_partitions(house, keyed, [DAY], [batch(DAY, "3"), batch(DAY, "4")])
    assert spent(house) == {DAY: ["1.00", "2.00"]}


def wrong_rows() -> dict[str, tuple[pa.RecordBatch, str]]:
    good = batch(DAY, "9")
    nulls = good.set_column(2, "insert_date", pa.array([None], pa.date32()))
    return {
        "other day": (batch(NEXT_DAY, "9"), "a row of insert_date 2024-01-02 came with the load"),
        "no day": (nulls, "a row of insert_date None"),
        "missing column": (good.drop_columns(["amount_spent"]), "no column 'amount_spent'"),
        "unknown column": (good.append_column("tip", pa.array([1])), "no column 'tip'"),
    }


@pytest.mark.parametrize("case", wrong_rows())
def test_wrong_rows_leave_the_partition_as_it_was(house: House, case: str) -> None:
    load(house, DAY, "1")
    rows, message = wrong_rows()[case]
    with pytest.raises(PipelineError, match=message):
        load_partitions(house, METRIC, [DAY], [batch(DAY, "8"), rows])
    assert spent(house) == {DAY: ["1.00"]}


def test_a_nul_is_an_error_that_names_the_column(house: House) -> None:
    table = WarehouseTable("s", "t", pa.schema([("p", pa.int32()), ("said", pa.string())]), "p")
    rows = pa.RecordBatch.from_pydict({"p": [1, 1], "said": ["fine", "a\0b"]}, table.columns)
    with pytest.raises(PipelineError, match=r"'said' holds what \w+ can't store"):
        load_partitions(house, table, [1], [rows])
    assert contents(house, table) == []


def test_the_callers_own_fault_comes_back_as_it_is(house: House) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield batch(DAY, "9")
        raise KeyError("source")

    load(house, DAY, "1")
    with pytest.raises(KeyError, match="source"):
        load_partitions(house, METRIC, [DAY], rows())
    assert spent(house) == {DAY: ["1.00"]}


def test_a_column_without_a_place_is_refused_at_once() -> None:
    columns = pa.schema([("p", pa.int32()), ("tags", pa.list_(pa.string()))])
    table = WarehouseTable("s", "t", pa.schema([("p", pa.int32())]), "p")
    for statements in (POSTGRES, REDSHIFT):
        with pytest.raises(PipelineError, match="no type there holds 'tags' of list"):
            statements.create(replace(table, columns=columns))
    with pytest.raises(PipelineError, match="'q' is not one of its columns"):
        replace(table, partition="q")


@every_route
def test_many_processes_may_make_the_table_at_once(house: House) -> None:
    days = [date(2024, 1, day) for day in range(1, 9)]
    with ThreadPoolExecutor(len(days)) as pool:
        list(pool.map(lambda day: load(house, day, "1", "2"), days))
    assert partition_rows(house, METRIC) == dict.fromkeys(days, 2)


@every_route
def test_what_is_staged_is_seen_by_nobody_until_it_is_committed(house: House) -> None:
    load(house, DAY, "1")
    staged = house.stage(METRIC, [DAY], [batch(DAY, "2", "3")])
    assert staged.rows == {DAY: 2}
    assert spent(house) == {DAY: ["1.00"]}
    staged.commit()
    assert spent(house) == {DAY: ["2.00", "3.00"]}
    staged.discard()
    assert spent(house) == {DAY: ["2.00", "3.00"]}


@every_route
def test_what_is_discarded_leaves_the_old_rows_and_lets_others_load(
    house: House,
) -> None:
    load(house, DAY, "1")
    house.stage(METRIC, [DAY], [batch(DAY, "2")]).discard()
    assert spent(house) == {DAY: ["1.00"]}
    load(house, DAY, "3")
    assert spent(house) == {DAY: ["3.00"]}


KILLED = """
import sys, time, pathlib
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.warehouses import house as h
kind, dsn, endpoint, bucket, staged = sys.argv[1:]
store = S3Store(S3Access(endpoint, "us-east-1"))
with h.house_of(kind, h.SecretDsn(dsn), store, bucket) as house:
    house.stage(h.METRIC, [h.DAY], [h.batch(h.DAY, "9", "9")])
    pathlib.Path(staged).touch()
    time.sleep(60)
"""


def test_killed_between_staging_and_commit_the_old_partition_stands(
    house: House, kind: str, tmp_path: Path
) -> None:
    load(house, DAY, "1", "2")
    staged = tmp_path / "staged"
    endpoint = house.double.store.access.endpoint_url if house.double else None
    bucket = house.uri.removesuffix("/lake/attempt")
    arguments = [kind, house.dsn.reveal(), endpoint or "", bucket, str(staged)]
    command = [sys.executable, "-c", KILLED, *arguments]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as child:
        until(staged.exists)
        os.kill(child.pid, signal.SIGKILL)
    assert spent(house) == {DAY: ["1.00", "2.00"]}
    load(house, DAY, "3")
    assert spent(house) == {DAY: ["3.00"]}
