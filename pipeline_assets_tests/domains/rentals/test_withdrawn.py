"""What a vendor or the shop no longer has is noticed, and never empties the lake unasked."""

from decimal import Decimal

import pytest

from pipeline_assets.command.postgres_server import ensure_database
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets_tests.domains.rentals.conftest import MakeWorld
from pipeline_assets_tests.domains.rentals.world import FILMS, SHOP, World, pay, sql

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

FIRST, SECOND, LAST = "2026-01-01", "2026-01-02", "2026-01-03"
PURCHASES = ("user_purchases", "user_behavior_metric")
SPENT = "select insert_date::text, sum(amount_spent) from rentals.user_behavior_metric group by 1"


@pytest.fixture
def world(make_world: MakeWorld, shop: SecretDsn) -> World:
    world = make_world(oltp_dsn=shop.reveal())
    for number, day in enumerate((FIRST, SECOND, LAST), start=1):
        pay(shop, number, 1, 1, f"{number}.00", f"{day} 12:00")
    assert world.update(*PURCHASES) == ()
    return world


@pytest.mark.parametrize("day", [FIRST, SECOND, LAST])
def test_deleted_payments_of_any_day_are_gone(world: World, shop: SecretDsn, day: str) -> None:
    before = dict(world.query(SPENT))
    sql(shop, f"DELETE FROM payment WHERE payment_date::date = '{day}'")
    assert f"user_purchases[{day}]" in world.stale()
    assert world.update(*PURCHASES) == ()
    del before[day]
    assert dict(world.query(SPENT)) == before
    assert [name for name in world.stale() if name.startswith(PURCHASES)] == []


def test_a_payment_that_moves_counts_once(world: World, shop: SecretDsn) -> None:
    sql(shop, f"UPDATE payment SET payment_date = '{SECOND} 13:00' WHERE payment_id = 1")
    assert world.update(*PURCHASES) == ()
    assert dict(world.query(SPENT)) == {SECOND: Decimal("3.00000"), LAST: Decimal("3.00000")}


@pytest.mark.parametrize("rows", [[], [("2025-06-01", 7)]], ids=["empty", "wrong"])
def test_another_database_empties_nothing_unasked(
    world: World,
    make_world: MakeWorld,
    postgres_server: SecretDsn,
    rows: list[tuple[str, int]],
) -> None:
    name = f"other_{len(rows)}"
    other = ensure_database(postgres_server, name)
    sql(other, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    sql(other, f"{SHOP}; {FILMS}")
    for day, number in rows:
        pay(other, number, 1, 1, "1.00", f"{day} 12:00")
    before = world.query(SPENT)
    moved = make_world(oltp_dsn=other.reveal())
    problems = moved.update(*PURCHASES)
    assert any(
        "lacks 3 of the 3 rows that are published: is it the right one?" in it for it in problems
    )
    assert sorted(moved.query(SPENT)) == sorted(before)
    outside = moved.updater.outside(withdraws=True)
    assert outside.problems == ()
    assert {FIRST, SECOND, LAST} <= outside.versions["rentals/user_purchases"].keys()


def test_an_older_copy_of_the_database_empties_nothing_unasked(
    world: World, shop: SecretDsn
) -> None:
    for number in range(4, 12):
        pay(shop, number, 1, 1, "1.00", f"2026-01-{number:02} 12:00")
    assert world.update(*PURCHASES) == ()
    sql(shop, "DELETE FROM payment WHERE payment_id > 2")
    problems = world.update(*PURCHASES)
    assert any("lacks 9 of the 11 rows that are published" in it for it in problems)
    assert world.query("select count(*) from rentals.user_purchases") == [(11,)]
