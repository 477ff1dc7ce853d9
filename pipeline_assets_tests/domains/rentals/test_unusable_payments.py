"""A payment that cannot be used is kept with its reason and stops no other, nor any vendor."""

from decimal import Decimal

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets_tests.domains.rentals.conftest import MakeWorld
from pipeline_assets_tests.domains.rentals.world import pay, sql

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

DAY, NEXT = "2026-01-01", "2026-01-02"
TABLES = ("user_purchases", "rejected_purchases")


def test_no_payment_stops_its_neighbours(make_world: MakeWorld, shop: SecretDsn) -> None:
    sql(shop, "ALTER TABLE payment ALTER COLUMN amount TYPE numeric")
    world = make_world(oltp_dsn=shop.reveal())
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    pay(shop, 2, 1, 1, "'NaN'", f"{DAY} 02:00")
    pay(shop, 3, 1, 1, "0.0000001", f"{DAY} 03:00")
    pay(shop, 4, 1, 1, "'Infinity'", f"{DAY} 04:00")
    pay(shop, 5, 1, 1, "0.1000000", f"{DAY} 05:00")
    sql(shop, f"INSERT INTO payment VALUES (6, NULL, NULL, 5, '{DAY} 06:00')")
    pay(shop, 7, 1, 1, "2.00", f"{NEXT} 01:00")
    for number, moment in enumerate(("infinity", "-infinity", "12023-01-01", "0044-03-15 BC"), 8):
        pay(shop, number, 1, 1, "4.00", moment)
    sql(shop, "INSERT INTO payment VALUES (12, 1, NULL, 5, NULL)")

    outside = world.updater.outside()
    assert outside.problems == ()
    assert any(
        line.startswith("rentals/user_purchases: 5 rows have no date, or one beyond any calendar")
        for line in outside.notes
    )
    assert world.update(*TABLES) == ()
    assert world.query("select payment_id, amount from rentals.user_purchases order by 1") == [
        (1, Decimal("1.00000")),
        (5, Decimal("0.10000")),
        (7, Decimal("2.00000")),
    ]
    assert world.query("select payment_id, reason from rentals.rejected_purchases order by 1") == [
        (2, "bad_amount"),
        (3, "bad_amount"),
        (4, "bad_amount"),
        (6, "no_customer"),
    ]
    assert [name for name in world.stale() if name.startswith(TABLES)] == []
