"""What Postgres does as a warehouse beside what every warehouse promises: it locks and indexes."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pytest

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.warehouses.postgres import PostgresWarehouse
from pipeline_assets_tests.warehouses.house import (
    DAY,
    METRIC,
    NEXT_DAY,
    House,
    ask,
    batch,
    load,
    load_partitions,
    spent,
    until,
)

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]


@pytest.fixture
def house(postgres_dsn: SecretDsn) -> House:
    return House(PostgresWarehouse(postgres_dsn), postgres_dsn)


def test_the_partition_column_is_indexed_once(house: House) -> None:
    for _ in range(2):
        load(house, DAY, "1")
    query = "SELECT indexdef FROM pg_indexes WHERE tablename = 'user_behavior_metric'"
    (index,) = ask(house.dsn, query)
    assert str(index["indexdef"]).endswith("(insert_date)")


def test_a_connection_lost_amid_a_load_leaves_the_old_partition(
    postgres_server: SecretDsn, house: House
) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield batch(DAY, *["9"] * 10_000)
        ask(
            postgres_server,
            "SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity "
            f"WHERE datname = '{house.dsn.options['dbname']}'",
        )
        for _ in range(100):
            yield batch(DAY, *["9"] * 10_000)

    load(house, DAY, "1")
    with pytest.raises(PipelineError, match="the connection was lost") as caught:
        load_partitions(house, METRIC, [DAY], rows())
    assert str(caught.value).startswith(house.dsn.where)
    assert spent(house) == {DAY: ["1.00"]}


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


def test_loads_of_other_partitions_do_not_wait_and_of_the_same_do(house: House) -> None:
    slow = SlowLoad()
    load(house, DAY, "0")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(load_partitions, house, METRIC, [DAY], slow.rows())
        assert slow.begun.wait(20)
        load(house, NEXT_DAY, "2")
        second = pool.submit(load, house, DAY, "3")
        until(lambda: waiting_loads(house.dsn) == 1)
        during = spent(house)
        slow.go_on.set()
        first.result()
        second.result()
    assert during == {DAY: ["0.00"], NEXT_DAY: ["2.00"]}
    assert spent(house) == {DAY: ["3.00"], NEXT_DAY: ["2.00"]}


def test_a_load_that_waits_for_its_first_partition_holds_no_later_one(
    house: House,
) -> None:
    """All loads take their locks in one order, whatever the order of their partitions.

    Otherwise two of them could wait for each other, and Postgres would end one.
    """
    slow = SlowLoad()
    load(house, DAY, "0")
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(load_partitions, house, METRIC, [DAY], slow.rows())
        assert slow.begun.wait(20)
        both = pool.submit(load_partitions, house, METRIC, [NEXT_DAY, DAY], [])
        until(lambda: waiting_loads(house.dsn) == 1)
        later = pool.submit(load, house, NEXT_DAY, "2")
        until(lambda: later.done() or waiting_loads(house.dsn) == 2)
        was_done = later.done()
        slow.go_on.set()
        for each in (first, both, later):
            each.result()
    assert was_done, "the load of both days held the lock of the second while it waited"


def test_a_connection_lost_before_the_commit_leaves_the_old_rows(
    postgres_server: SecretDsn, house: House
) -> None:
    load(house, DAY, "1")
    staged = house.stage(METRIC, [DAY], [batch(DAY, "2")])
    ask(
        postgres_server,
        "SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity "
        f"WHERE datname = '{house.dsn.options['dbname']}'",
    )
    with pytest.raises(PipelineError, match="the connection was lost"):
        staged.commit()
    staged.discard()
    assert spent(house) == {DAY: ["1.00"]}


def test_the_key_is_the_index_where_it_begins_with_the_partition(house: House) -> None:
    keyed = replace(METRIC, key=("insert_date", "customer_id"))
    load_partitions(house, keyed, [DAY], [batch(DAY, "1", "2")])
    indexes = "SELECT count(*) AS n FROM pg_indexes WHERE tablename = 'user_behavior_metric'"
    assert ask(house.dsn, indexes) == [{"n": 1}]
