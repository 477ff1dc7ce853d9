"""What events say of customers: from film to film, and when there are suddenly other numbers."""

from datetime import datetime, timedelta

import dagster as dg
import ibis
import pyarrow as pa
import pytest

from pipeline_assets.domains.activity.customers import rents_after_views
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.activity.world import World

BEGIN = datetime(2026, 3, 2, 20)
USUAL, FEWER, MORE = 60, 9, 150
DAYS = {"2026-03-01": USUAL, "2026-03-02": USUAL, "2026-03-03": USUAL + 5}


def test_from_film_to_film() -> None:
    happened = [
        ("view", 7, 0), ("view", 8, 10), ("rent", 8, 20), ("rent", 9, 30), ("view", 9, 40),
        ("search", None, 50),
    ]  # fmt: skip
    events = [
        {
            "event_id": f"e{place}",
            "customer_id": 1,
            "film_id": film,
            "kind": kind,
            "occurred_at": BEGIN + timedelta(minutes=minutes),
        }
        for place, (kind, film, minutes) in enumerate(happened)
    ]
    found = ibis.duckdb.connect().to_pyarrow(
        rents_after_views(ibis.memtable(pa.Table.from_pylist(events)))
    )
    rows = {(it["viewed_film_id"], it["rented_film_id"]): it["seconds"] for it in found.to_pylist()}
    # Film 9 was rented before it was viewed.
    assert rows == {(7, 8): 1200, (7, 9): 1800, (8, 8): 600, (8, 9): 1200}


@pytest.mark.parametrize(("day", "customers"), [("2026-03-04", FEWER), ("2026-03-04", MORE)])
def test_suddenly_fewer_or_more_customers_are_told(
    make_settings: MakeSettings, day: str, customers: int
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(make_settings(), instance)
        for each, number in DAYS.items():
            world.land(each, number)
        assert not told(world)
        world.land(day, customers)
        (line,) = told(world)
    assert f"customer_activity[{day}]" in line
    assert "rows" in line


def told(world: World) -> list[str]:
    """The warnings of an update about the customers of days."""
    updated = world.update()
    assert updated.failures == ()
    return [line for line in updated.warnings if "customer_activity" in line]
