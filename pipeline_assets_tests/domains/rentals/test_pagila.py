"""The metric on Pagila, beside plain SQL in Postgres; in the lake and in the warehouse."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.command.postgres_server import ensure_database
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets_tests.domains.rentals.conftest import world_in
from pipeline_assets_tests.domains.rentals.world import ASSETS, World, sql

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

IN_ONE_RUN = tuple(replace(asset, partitions_per_run=1000) for asset in ASSETS)
MADE = ("user_purchases", "user_behavior_metric")
TOTALS = "select sum(amount_spent), count(distinct customer_id), sum(purchase_count) from"
METRIC = "rentals.user_behavior_metric"
EXACTLY = (Decimal("67406.56"), 599, 16_044)
PLAIN = (
    "SELECT customer_id, payment_date::date AS day, sum(amount)::text AS amount, count(*) AS n "
    "FROM payment GROUP BY 1, 2"
)
BUSIEST = (
    "SELECT payment_date::date::text AS day FROM payment GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
)
LOADED = f"SELECT count(*) AS n, sum(amount_spent)::text AS amount FROM {METRIC}"

Loaded = tuple[World, SecretDsn, SecretDsn]


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: SecretDsn, pagila_dsn: SecretDsn
) -> Iterator[Loaded]:
    warehouse = ensure_database(postgres_server, "pagila_warehouse")
    with dg.DagsterInstance.ephemeral() as instance:
        folder = tmp_path_factory.mktemp("pagila")
        dsns = {"oltp_dsn": pagila_dsn.reveal(), "warehouse_dsn": warehouse.reveal()}
        world = replace(world_in(folder, instance, **dsns), assets=IN_ONE_RUN)
        assert world.update(*MADE) == ()
        yield world, pagila_dsn, warehouse


def test_totals_are_exact(loaded: Loaded) -> None:
    world, _, _ = loaded
    assert world.query(f"{TOTALS} {METRIC}") == [EXACTLY]


def test_each_customer_and_day_is_as_in_plain_sql(loaded: Loaded) -> None:
    world, pagila, _ = loaded
    expected = {
        (row["customer_id"], row["day"]): (Decimal(row["amount"]), row["n"])
        for row in sql(pagila, PLAIN)
    }
    columns = "customer_id, insert_date, amount_spent, purchase_count"
    rows = world.query(f"select {columns} from {METRIC}")
    assert {(who, day): (spent, count) for who, day, spent, count in rows} == expected


def test_nothing_changes_when_all_is_made_again(loaded: Loaded) -> None:
    world, _, warehouse = loaded
    assert [name for name in world.stale() if name.partition("[")[0] in MADE] == []
    before = sql(warehouse, LOADED)
    assert before[0]["amount"] == "67406.56000"
    days = [
        str(day) for (day,) in world.query(f"select distinct insert_date from {METRIC} order by 1")
    ]
    one, some = days[3:4], [days[0], str(date.fromisoformat(days[0]).replace(day=28))]
    for keys in (one, some):
        assert world.run(*MADE, keys=keys).success
    assert world.query(f"{TOTALS} {METRIC}") == [EXACTLY]
    assert sql(warehouse, LOADED) == before


def test_the_hours_of_a_day_add_up_to_it(
    tmp_path: Path, instance: dg.DagsterInstance, pagila_dsn: SecretDsn
) -> None:
    (busiest,) = sql(pagila_dsn, BUSIEST)
    totals = {}
    for granularity, suffixes in (("daily", [""]), ("hourly", ["T00", "T23"])):
        folder = tmp_path / granularity
        folder.mkdir()
        dsn = pagila_dsn.reveal()
        # The hours since 2005, where the windows start by default, would take Dagster a minute.
        cut = {"rentals_granularity": granularity, "rentals_start": busiest["day"]}
        world = world_in(folder, instance, oltp_dsn=dsn, **cut)
        keys = [busiest["day"] + suffix for suffix in suffixes]
        assert world.run(*MADE, keys=keys).success
        (totals[granularity],) = world.query(f"{TOTALS} {METRIC}")
    assert totals["hourly"] == totals["daily"]
    (hours,) = world.query(f"select min(insert_date), count(distinct insert_date) from {METRIC}")
    assert (hours[0][:11], hours[1] > 1) == (f"{busiest['day']}T", True)
