import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.load import PartitionValue, stage_load
from pipeline_assets.postgres.read import stream
from pipeline_assets.postgres.table import WarehouseTable

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

DAY, NEXT_DAY = date(2024, 1, 1), date(2024, 1, 2)
METRIC = WarehouseTable(
    schema="rentals",
    name="user_behavior_metric",
    columns=pa.schema(
        [
            ("customer_id", pa.int32()),
            ("amount_spent", pa.decimal128(18, 5)),
            ("insert_date", pa.date32()),
        ]
    ),
    partition="insert_date",
    description="What a customer did on a day.",
    descriptions={"amount_spent": "Euros, it's exact."},
)


def batch(day: date, *spent: str, table: WarehouseTable = METRIC) -> pa.RecordBatch:
    """One row per amount, of customers 1, 2, …"""
    rows = [
        {"customer_id": n + 1, "amount_spent": Decimal(amount), "insert_date": day}
        for n, amount in enumerate(spent)
    ]
    return pa.RecordBatch.from_pylist(rows, table.columns)


def load_partitions(
    dsn: SecretDsn,
    table: WarehouseTable,
    values: Sequence[PartitionValue],
    batches: Iterable[pa.RecordBatch],
) -> int:
    """Load and commit; how many rows the partitions have then."""
    staged = stage_load(dsn, table, values, batches)
    staged.commit()
    return sum(staged.rows.values())


def load(dsn: SecretDsn, day: date, *spent: str) -> None:
    load_partitions(dsn, METRIC, [day], [batch(day, *spent)])


def contents(dsn: SecretDsn, table: WarehouseTable = METRIC) -> list[dict[str, object]]:
    batches = stream(dsn, f"SELECT * FROM {table.sql_name} ORDER BY 1, 2", schema=table.sent)
    return [row for batch in batches for row in batch.to_pylist()]


def spent(dsn: SecretDsn) -> dict[object, list[str]]:
    """Amounts by day."""
    days: dict[object, list[str]] = {}
    for row in contents(dsn):
        days.setdefault(row["insert_date"], []).append(f"{row['amount_spent']:.2f}")
    return days


def ask(dsn: SecretDsn, query: str) -> list[dict[str, object]]:
    return [row for batch in stream(dsn, query) for row in batch.to_pylist()]


def partition_rows(dsn: SecretDsn, table: WarehouseTable) -> dict[object, object]:
    query = f"SELECT {table.partition} AS p, count(*) AS n FROM {table.sql_name} GROUP BY 1"
    return {row["p"]: row["n"] for row in ask(dsn, query)}


def test_the_first_load_makes_schema_and_table(postgres_dsn: SecretDsn) -> None:
    loaded = load_partitions(postgres_dsn, METRIC, [DAY], [batch(DAY, "1.50", "0.00001")])
    assert loaded == 2
    assert contents(postgres_dsn) == [
        {"customer_id": 1, "amount_spent": Decimal("1.50000"), "insert_date": DAY},
        {"customer_id": 2, "amount_spent": Decimal("0.00001"), "insert_date": DAY},
    ]


def test_descriptions_become_comments(postgres_dsn: SecretDsn) -> None:
    def comments() -> list[dict[str, object]]:
        return ask(
            postgres_dsn,
            """SELECT obj_description(c) AS row, col_description(c, 2) AS spent
               FROM (SELECT 'rentals.user_behavior_metric'::regclass::oid AS c) AS found""",
        )

    load(postgres_dsn, DAY, "1")
    before = comments()
    changed = replace(METRIC, descriptions={"amount_spent": "Dollars."})
    load_partitions(postgres_dsn, changed, [DAY], [])
    assert before == [{"row": "What a customer did on a day.", "spent": "Euros, it's exact."}]
    assert comments() == [{"row": "What a customer did on a day.", "spent": "Dollars."}]


def test_the_partition_column_is_indexed_once(postgres_dsn: SecretDsn) -> None:
    for _ in range(2):
        load(postgres_dsn, DAY, "1")
    query = "SELECT indexdef FROM pg_indexes WHERE tablename = 'user_behavior_metric'"
    (index,) = ask(postgres_dsn, query)
    assert str(index["indexdef"]).endswith("(insert_date)")


def test_a_load_replaces_its_partition_and_no_other(postgres_dsn: SecretDsn) -> None:
    load(postgres_dsn, DAY, "1", "2")
    load(postgres_dsn, NEXT_DAY, "3")
    load(postgres_dsn, DAY, "4")
    load(postgres_dsn, DAY, "4")
    assert spent(postgres_dsn) == {DAY: ["4.00"], NEXT_DAY: ["3.00"]}
    assert partition_rows(postgres_dsn, METRIC) == {DAY: 1, NEXT_DAY: 1}


def test_a_range_of_partitions_is_one_load(postgres_dsn: SecretDsn) -> None:
    load(postgres_dsn, DAY, "1")
    load(postgres_dsn, NEXT_DAY, "2")
    days = [date.fromordinal(DAY.toordinal() + n) for n in range(100)]
    rows = (batch(day, "7") for day in days if day != NEXT_DAY)
    assert load_partitions(postgres_dsn, METRIC, days, rows) == 99
    assert partition_rows(postgres_dsn, METRIC) == {day: 1 for day in days if day != NEXT_DAY}


def test_no_rows_empty_the_partition(postgres_dsn: SecretDsn) -> None:
    load(postgres_dsn, DAY, "1")
    assert load_partitions(postgres_dsn, METRIC, [DAY], []) == 0
    assert partition_rows(postgres_dsn, METRIC) == {}


@pytest.mark.parametrize(
    ("values", "other"),
    [(["train", "it's \\ odd"], "test"), ([1, -2], 3), ([True], False)],
)
def test_partitions_of_other_types(
    postgres_dsn: SecretDsn, values: list[str | int], other: str | int
) -> None:
    kind = pa.scalar(values[0]).type
    columns = pa.schema([("split", kind), ("n", pa.int64())])
    table = WarehouseTable("taobao", "impressions", columns, partition="split")
    rows = pa.RecordBatch.from_pylist([{"split": value, "n": 1} for value in values], columns)
    load_partitions(postgres_dsn, table, [other], [])
    for _ in range(2):
        load_partitions(postgres_dsn, table, values, [rows])
    assert partition_rows(postgres_dsn, table) == dict.fromkeys(values, 1)


@pytest.mark.parametrize("zone", ["UTC", None])
def test_hourly_partitions_are_instants(postgres_dsn: SecretDsn, zone: str | None) -> None:
    columns = pa.schema([("insert_hour", pa.timestamp("us", zone))])
    table = WarehouseTable("rentals", "hourly", columns, partition="insert_hour")
    hours = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (0, 1)]
    stored = [hour if zone else hour.replace(tzinfo=None) for hour in hours]
    for hour, wall in zip(hours, stored, strict=True):
        rows = pa.RecordBatch.from_pylist([{"insert_hour": wall}], columns)
        for _ in range(2):
            load_partitions(postgres_dsn, table, [hour], [rows])
    assert partition_rows(postgres_dsn, table) == dict.fromkeys(stored, 1)


EVERYTHING = WarehouseTable(
    schema="Odd \"schema'",
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


@settings(max_examples=10, deadline=None)
@given(st.lists(ROWS, max_size=60))
def test_every_value_arrives_at_full_precision(
    postgres_server: SecretDsn, rows: list[dict[str, object]]
) -> None:
    sent = pa.RecordBatch.from_pylist(rows, EVERYTHING.columns)
    load_partitions(postgres_server, EVERYTHING, [1], [sent])
    query = f"SELECT * FROM {EVERYTHING.sql_name} ORDER BY ctid"
    found = pa.Table.from_batches(
        stream(postgres_server, query, schema=EVERYTHING.columns), EVERYTHING.columns
    )
    assert list(map(comparable, found.to_pylist())) == list(map(comparable, sent.to_pylist()))


def comparable(row: dict[str, object]) -> dict[str, object]:
    """NaN equals nothing, itself included."""
    return {
        name: "NaN" if isinstance(value, float) and math.isnan(value) else value
        for name, value in row.items()
    }


def test_other_types_are_converted_if_every_value_survives(postgres_dsn: SecretDsn) -> None:
    table = WarehouseTable("s", "t", pa.schema([("p", pa.int32()), ("t", pa.string())]), "p")
    rows = pa.RecordBatch.from_pydict(
        {"t": pa.array(["é", None]).dictionary_encode(), "p": pa.array([1, 1], pa.int64())}
    )
    load_partitions(postgres_dsn, table, [1], [rows])
    assert contents(postgres_dsn, table) == [{"p": 1, "t": "é"}, {"p": 1, "t": None}]
    wide = pa.RecordBatch.from_pydict({"p": pa.array([2**40]), "t": pa.array(["x"])})
    with pytest.raises(PipelineError, match="column 'p' does not fit int32"):
        load_partitions(postgres_dsn, table, [1], [wide])


def test_nanoseconds_that_microseconds_cannot_hold_are_an_error(postgres_dsn: SecretDsn) -> None:
    columns = pa.schema([("p", pa.int32()), ("at", pa.timestamp("ns"))])
    table = WarehouseTable("s", "t", columns, "p")
    rows = pa.RecordBatch.from_pydict({"p": [1], "at": [1001]}, columns)
    with pytest.raises(PipelineError, match="column 'at' does not fit timestamp"):
        load_partitions(postgres_dsn, table, [1], [rows])


def test_new_columns_are_added(postgres_dsn: SecretDsn) -> None:
    load(postgres_dsn, DAY, "1")
    wider = replace(METRIC, columns=METRIC.columns.append(pa.field("review_count", pa.int32())))
    rows = batch(NEXT_DAY, "2").append_column("review_count", pa.array([5], pa.int32()))
    load_partitions(postgres_dsn, wider, [NEXT_DAY], [rows])
    assert [row["review_count"] for row in contents(postgres_dsn, wider)] == [None, 5]


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
    postgres_dsn: SecretDsn, declared: pa.Schema, message: str
) -> None:
    load(postgres_dsn, DAY, "1")
    other = replace(METRIC, columns=declared, descriptions={})
    with pytest.raises(PipelineError, match=f"rentals.user_behavior_metric.*{message}"):
        load_partitions(postgres_dsn, other, [DAY], [])
    assert spent(postgres_dsn) == {DAY: ["1.00"]}


def test_another_primary_key_is_an_error(postgres_dsn: SecretDsn) -> None:
    load(postgres_dsn, DAY, "1")
    keyed = replace(METRIC, key=("insert_date", "customer_id"))
    with pytest.raises(PipelineError, match=r"primary key is \[\] there and \['insert_date'"):
        load_partitions(postgres_dsn, keyed, [DAY], [])


def test_duplicates_in_the_key_are_an_error(postgres_dsn: SecretDsn) -> None:
    keyed = replace(METRIC, key=("insert_date", "customer_id"))
    load_partitions(postgres_dsn, keyed, [DAY], [batch(DAY, "1", "2")])
    with pytest.raises(PipelineError, match="two rows share the key insert_date, customer_id"):
        load_partitions(postgres_dsn, keyed, [DAY], [batch(DAY, "3"), batch(DAY, "4")])
    assert spent(postgres_dsn) == {DAY: ["1.00", "2.00"]}
    indexes = "SELECT count(*) AS n FROM pg_indexes WHERE tablename = 'user_behavior_metric'"
    assert ask(postgres_dsn, indexes) == [{"n": 1}]


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
def test_wrong_rows_leave_the_partition_as_it_was(postgres_dsn: SecretDsn, case: str) -> None:
    load(postgres_dsn, DAY, "1")
    rows, message = wrong_rows()[case]
    with pytest.raises(PipelineError, match=message):
        load_partitions(postgres_dsn, METRIC, [DAY], [batch(DAY, "8"), rows])
    assert spent(postgres_dsn) == {DAY: ["1.00"]}


def test_a_nul_is_an_error_that_names_the_column(postgres_dsn: SecretDsn) -> None:
    table = WarehouseTable("s", "t", pa.schema([("p", pa.int32()), ("said", pa.string())]), "p")
    rows = pa.RecordBatch.from_pydict({"p": [1, 1], "said": ["fine", "a\0b"]}, table.columns)
    with pytest.raises(PipelineError, match="'said' holds what Postgres can't store"):
        load_partitions(postgres_dsn, table, [1], [rows])
    assert contents(postgres_dsn, table) == []


def test_the_callers_own_fault_comes_back_as_it_is(postgres_dsn: SecretDsn) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield batch(DAY, "9")
        raise KeyError("source")

    load(postgres_dsn, DAY, "1")
    with pytest.raises(KeyError, match="source"):
        load_partitions(postgres_dsn, METRIC, [DAY], rows())
    assert spent(postgres_dsn) == {DAY: ["1.00"]}


def test_a_connection_lost_amid_a_load_leaves_the_old_partition(
    postgres_server: SecretDsn, postgres_dsn: SecretDsn
) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield batch(DAY, *["9"] * 10_000)
        ask(
            postgres_server,
            "SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity "
            f"WHERE datname = '{postgres_dsn.options['dbname']}'",
        )
        for _ in range(100):
            yield batch(DAY, *["9"] * 10_000)

    load(postgres_dsn, DAY, "1")
    with pytest.raises(PipelineError, match="the connection was lost") as caught:
        load_partitions(postgres_dsn, METRIC, [DAY], rows())
    assert str(caught.value).startswith(postgres_dsn.where)
    assert spent(postgres_dsn) == {DAY: ["1.00"]}


def test_a_column_without_a_place_is_refused_at_once() -> None:
    columns = pa.schema([("p", pa.int32()), ("tags", pa.list_(pa.string()))])
    table = WarehouseTable("s", "t", pa.schema([("p", pa.int32())]), "p")
    with pytest.raises(PipelineError, match="no type there holds 'tags' of list"):
        replace(table, columns=columns)
    with pytest.raises(PipelineError, match="'q' is not one of its columns"):
        replace(table, partition="q")


def test_many_processes_may_make_the_table_at_once(postgres_dsn: SecretDsn) -> None:
    days = [date(2024, 1, day) for day in range(1, 9)]
    with ThreadPoolExecutor(len(days)) as pool:
        list(pool.map(lambda day: load(postgres_dsn, day, "1", "2"), days))
    assert partition_rows(postgres_dsn, METRIC) == dict.fromkeys(days, 2)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class SlowLoad:
    """Rows of a day that hold their load, and its locks, until they may go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def rows(self) -> Iterator[pa.RecordBatch]:
        yield batch(DAY, "1")
        self.begun.set()
        assert self.go_on.wait(20)


def waiting_loads(dsn: SecretDsn) -> int:
    query = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return int(str(ask(dsn, query)[0]["n"]))


def test_loads_of_other_partitions_do_not_wait_and_of_the_same_do(postgres_dsn: SecretDsn) -> None:
    slow = SlowLoad()
    load(postgres_dsn, DAY, "0")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(load_partitions, postgres_dsn, METRIC, [DAY], slow.rows())
        assert slow.begun.wait(20)
        load(postgres_dsn, NEXT_DAY, "2")
        second = pool.submit(load, postgres_dsn, DAY, "3")
        until(lambda: waiting_loads(postgres_dsn) == 1)
        during = spent(postgres_dsn)
        slow.go_on.set()
        first.result()
        second.result()
    assert during == {DAY: ["0.00"], NEXT_DAY: ["2.00"]}
    assert spent(postgres_dsn) == {DAY: ["3.00"], NEXT_DAY: ["2.00"]}


def test_a_load_that_waits_for_its_first_partition_holds_no_later_one(
    postgres_dsn: SecretDsn,
) -> None:
    """All loads take their locks in one order, whatever the order of their partitions.

    Otherwise two of them could wait for each other, and Postgres would end one.
    """
    slow = SlowLoad()
    load(postgres_dsn, DAY, "0")
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(load_partitions, postgres_dsn, METRIC, [DAY], slow.rows())
        assert slow.begun.wait(20)
        both = pool.submit(load_partitions, postgres_dsn, METRIC, [NEXT_DAY, DAY], [])
        until(lambda: waiting_loads(postgres_dsn) == 1)
        later = pool.submit(load, postgres_dsn, NEXT_DAY, "2")
        until(lambda: later.done() or waiting_loads(postgres_dsn) == 2)
        was_done = later.done()
        slow.go_on.set()
        for each in (first, both, later):
            each.result()
    assert was_done, "the load of both days held the lock of the second while it waited"


def test_what_is_staged_is_seen_by_nobody_until_it_is_committed(postgres_dsn: SecretDsn) -> None:
    load(postgres_dsn, DAY, "1")
    staged = stage_load(postgres_dsn, METRIC, [DAY], [batch(DAY, "2", "3")])
    assert staged.rows == {DAY: 2}
    assert spent(postgres_dsn) == {DAY: ["1.00"]}
    staged.commit()
    assert spent(postgres_dsn) == {DAY: ["2.00", "3.00"]}
    staged.discard()
    assert spent(postgres_dsn) == {DAY: ["2.00", "3.00"]}


def test_what_is_discarded_leaves_the_old_rows_and_lets_others_load(
    postgres_dsn: SecretDsn,
) -> None:
    load(postgres_dsn, DAY, "1")
    stage_load(postgres_dsn, METRIC, [DAY], [batch(DAY, "2")]).discard()
    assert spent(postgres_dsn) == {DAY: ["1.00"]}
    load(postgres_dsn, DAY, "3")
    assert spent(postgres_dsn) == {DAY: ["3.00"]}


def test_a_connection_lost_before_the_commit_leaves_the_old_rows(
    postgres_server: SecretDsn, postgres_dsn: SecretDsn
) -> None:
    load(postgres_dsn, DAY, "1")
    staged = stage_load(postgres_dsn, METRIC, [DAY], [batch(DAY, "2")])
    ask(
        postgres_server,
        "SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity "
        f"WHERE datname = '{postgres_dsn.options['dbname']}'",
    )
    with pytest.raises(PipelineError, match="the connection was lost"):
        staged.commit()
    staged.discard()
    assert spent(postgres_dsn) == {DAY: ["1.00"]}


KILLED = """
import sys, time, pathlib
from pipeline_assets_tests.postgres import test_load as t
def rows():
    yield t.batch(t.DAY, "9", "9")
    pathlib.Path(sys.argv[2]).touch()
    time.sleep(60)
t.load_partitions(t.SecretDsn(sys.argv[1]), t.METRIC, [t.DAY], rows())
"""


def test_killed_between_delete_and_commit_the_old_partition_stands(
    postgres_dsn: SecretDsn, tmp_path: Path
) -> None:
    load(postgres_dsn, DAY, "1", "2")
    deleted = tmp_path / "deleted"
    command = [sys.executable, "-c", KILLED, postgres_dsn.reveal(), str(deleted)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as child:
        until(deleted.exists)
        os.kill(child.pid, signal.SIGKILL)
    assert spent(postgres_dsn) == {DAY: ["1.00", "2.00"]}
    load(postgres_dsn, DAY, "3")
    assert spent(postgres_dsn) == {DAY: ["3.00"]}
