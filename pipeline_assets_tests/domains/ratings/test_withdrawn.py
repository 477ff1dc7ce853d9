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


def landed_in_two(world: World, first: int) -> tuple[Path, Path]:
    """Music in two files, of which the first has so many of the 120 rows."""
    path = world.land("Music", *ROWS[:first])
    moved = path.rename(path.with_name("amazon_reviews_us_Music_v1_01.tsv"))
    return moved, world.land("Music", *ROWS[first:])


@pytest.mark.parametrize("rows_gone", [6, 100])
def test_of_several_objects_one_that_is_withdrawn_is_kept_and_told(
    world: World, session: Session, capsys: pytest.CaptureFixture[str], rows_gone: int
) -> None:
    gone, _ = landed_in_two(world, rows_gone)
    assert carry_out(session, Order(select=DELIVERED)) == 0
    gone.unlink()
    capsys.readouterr()

    assert carry_out(session, Order(select=DELIVERED)) == 0
    told = capsys.readouterr()
    assert (
        "note: landing/amazon_reviews: Music: 1 of the 2 objects that it came from lies there no "
        "more (amazon_reviews_us_Music_v1_01.tsv); what is published is kept" in told.err
    )
    assert "nothing was run" in told.out
    assert world.query(KEPT) == [("Music", 120)]

    assert carry_out(session, Order(select=DELIVERED, withdraw=True)) == 0
    assert world.query(KEPT) == [("Music", 120 - rows_gone)]
    capsys.readouterr()
    assert carry_out(session, Order(select=DELIVERED)) == 0
    assert "lies there" not in capsys.readouterr().err


def test_what_is_put_in_place_of_an_object_may_not_hold_less(
    world: World, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = landed_in_two(world, 60)
    assert carry_out(session, Order(select=DELIVERED)) == 0
    content = first.read_text()
    other = first.with_name("amazon_reviews_us_Music_v1_02.tsv")
    other.write_text("".join(content.splitlines(keepends=True)[:-1]))
    first.unlink()
    capsys.readouterr()

    assert carry_out(session, Order(select=DELIVERED)) != 0
    assert (
        "1 of the 2 objects that it came from lies there no more (amazon_reviews_us_Music_v1_01.tsv"
        "), and it holds 119 rows in place of 120" in capsys.readouterr().err
    )
    assert world.query(KEPT) == [("Music", 120)]

    other.write_text(content)
    assert carry_out(session, Order(select=DELIVERED)) == 0
    told = capsys.readouterr().err
    assert "and it holds 120 rows in place of 120" in told
    assert world.query(KEPT) == [("Music", 120)]
    second.unlink()
    assert carry_out(session, Order(select=DELIVERED, accept=True)) == 0
    assert world.query(KEPT) == [("Music", 120)]


def test_a_run_of_the_ui_keeps_what_was_withdrawn_in_part(world: World) -> None:
    gone, _ = landed_in_two(world, 6)
    assert world.update().failures == ()
    gone.unlink()
    result = world.materialize("Music", "raw_reviews")
    assert not result.success
    assert world.query("select count(*) from ratings.raw_reviews") == [(120,)]


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
