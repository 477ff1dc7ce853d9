"""A landing object that is removed leaves its rows, is told, and is followed when somebody asks."""

from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.command.order import Order, carry_out
from pipeline_assets.command.session import Session
from pipeline_assets.settings import Settings
from pipeline_assets_tests.domains.ratings.world import DELIVERED, World

ROWS = [
    {"customer_id": f"C{n % 12}", "product_id": f"B{n // 12}", "star_rating": 4} for n in range(120)
]
KEPT = "select category, count(*) from ratings.reviews group by 1 order by 1"


@pytest.fixture
def session(settings: Settings) -> Session:
    return Session(settings)


@pytest.fixture
def world(settings: Settings, instance: dg.DagsterInstance) -> World:
    return World(settings, instance)


def training_lines(settings: Settings, category: str) -> int:
    path = Path(settings.lake_uri, "train_ready", f"amazon_reviews_us_{category}.csv")
    return len(path.read_text().splitlines())


def test_what_a_vendor_withdraws_is_kept_told_and_emptied_on_request(
    world: World, session: Session, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    world.land("Books", *ROWS)
    path = world.land("Music", *ROWS)
    assert carry_out(session, Order(select=DELIVERED)) == 0
    path.unlink()
    capsys.readouterr()

    assert carry_out(session, Order(select=DELIVERED)) == 0
    told = capsys.readouterr()
    assert "note: landing/amazon_reviews: nothing of Music lies there any more; " in told.err
    assert world.query(KEPT) == [("Books", 120), ("Music", 120)]

    assert carry_out(session, Order(select=DELIVERED, withdraw=True)) == 0
    assert world.query(KEPT) == [("Books", 120)]
    assert (training_lines(settings, "Books"), training_lines(settings, "Music")) == (121, 1)
    capsys.readouterr()

    assert carry_out(session, Order(select=DELIVERED)) == 0
    told = capsys.readouterr()
    assert "nothing was run" in told.out
    assert "lies there" not in told.err

    world.land("Music", *ROWS)
    assert carry_out(session, Order(select=DELIVERED)) == 0
    assert world.query(KEPT) == [("Books", 120), ("Music", 120)]


def test_a_zone_that_cannot_be_listed_has_withdrawn_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.land("Books", *ROWS)
    assert world.update().failures == ()
    monkeypatch.setattr(
        "pipeline_assets.storage.local_listing.os.walk",
        lambda prefix, onerror: onerror(PermissionError(13, "Permission denied", prefix)) or (),
    )
    listings = world.updater.listings()
    (problem,) = listings["landing/amazon_reviews"].problems
    assert problem.endswith("cannot be listed: Permission denied")
    assert world.updater.withdrawn(listings) == {}
