"""Warehouses to load into, each over the Postgres of the tests, and what loads and reads them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import uuid4

import pyarrow as pa
import pytest

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.postgres.read import stream
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.warehouses.postgres import PostgresWarehouse
from pipeline_assets.warehouses.redshift.warehouse import RedshiftWarehouse
from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable
from pipeline_assets.warehouses.warehouse import StagedLoad, Warehouse
from pipeline_assets_tests.doubles.redshift import DataApi, RedshiftDouble, data_api, redshift
from spark_resources.runners.polling import PollPolicy

Kind: TypeAlias = Literal["postgres", "redshift", "redshift-data"]

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
AT_ONCE = PollPolicy(first_seconds=0.002, longest_seconds=0.01, outage_seconds=5)


every_route = pytest.mark.parametrize("kind", ["postgres", "redshift", "redshift-data"])
"""For what depends on how statements reach a Redshift; other tests need one way only."""


@dataclass(frozen=True)
class House:
    """A warehouse, and the Postgres that tests look at it through.

    Attributes:
        warehouse: What loads.
        dsn: The Postgres that it is, or that is under its double.
        uri: Where rows wait for a Redshift.
        double: Of a Redshift.
        api: Of a Redshift that is reached through its Data API.
    """

    warehouse: Warehouse
    dsn: SecretDsn
    uri: str = ""
    double: RedshiftDouble | None = None
    api: DataApi | None = None

    def stage(
        self,
        table: WarehouseTable,
        values: Sequence[PartitionValue],
        batches: Iterable[pa.RecordBatch],
    ) -> StagedLoad:
        return self.warehouse.stage(table, values, batches, f"{self.uri}/{uuid4().hex}")


@contextmanager
def house_of(kind: Kind, dsn: SecretDsn, store: S3Store, bucket: str) -> Iterator[House]:
    """A warehouse over an empty Postgres."""
    if kind == "postgres":
        yield House(PostgresWarehouse(dsn), dsn)
        return
    with ExitStack() as doubles:
        double = doubles.enter_context(redshift(dsn, store))
        uri, api = f"{bucket}/lake/attempt", None
        named = double.wire_dsn
        if kind == "redshift-data":
            api, endpoint = doubles.enter_context(data_api(double))
            environment = doubles.enter_context(pytest.MonkeyPatch.context())
            environment.setenv("AWS_ENDPOINT_URL_REDSHIFT_DATA", endpoint)
            database = dsn.options["dbname"]
            named = SecretDsn(f"redshift-data:///{database}?workgroup=analytics")
        warehouse = RedshiftWarehouse(named, store, AT_ONCE, pauses=(0.0, 0.01, 0.05, 0.1, 0.2))
        yield House(warehouse, dsn, uri, double, api)


def batch(day: date, *spent: str, table: WarehouseTable = METRIC) -> pa.RecordBatch:
    """One row per amount, of customers 1, 2, …"""
    rows = [
        {"customer_id": n + 1, "amount_spent": Decimal(amount), "insert_date": day}
        for n, amount in enumerate(spent)
    ]
    return pa.RecordBatch.from_pylist(rows, table.columns)


def load_partitions(
    house: House,
    table: WarehouseTable,
    values: Sequence[PartitionValue],
    batches: Iterable[pa.RecordBatch],
) -> int:
    """Load and commit; how many rows the partitions have then."""
    staged = house.stage(table, values, batches)
    staged.commit()
    return sum(staged.rows.values())


def load(house: House, day: date, *spent: str) -> None:
    load_partitions(house, METRIC, [day], [batch(day, *spent)])


def contents(house: House, table: WarehouseTable = METRIC) -> list[dict[str, object]]:
    batches = stream(house.dsn, f"SELECT * FROM {table.sql_name} ORDER BY 1, 2", schema=table.sent)
    return [row for batch in batches for row in batch.to_pylist()]


def spent(house: House) -> dict[object, list[str]]:
    """Amounts by day."""
    days: dict[object, list[str]] = {}
    for row in contents(house):
        days.setdefault(row["insert_date"], []).append(f"{row['amount_spent']:.2f}")
    return days


def ask(dsn: SecretDsn, query: str) -> list[dict[str, object]]:
    return [row for batch in stream(dsn, query) for row in batch.to_pylist()]


def partition_rows(house: House, table: WarehouseTable) -> dict[object, object]:
    query = f"SELECT {table.partition} AS p, count(*) AS n FROM {table.sql_name} GROUP BY 1"
    return {row["p"]: row["n"] for row in ask(house.dsn, query)}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
