"""A bad delivery does not take the place of a good partition unasked."""

from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets_tests.domains.ratings.test_assets import world_in
from pipeline_assets_tests.domains.ratings.world import World
from pipeline_assets_tests.prepared import Prepared

GOOD = [
    {"customer_id": f"C{n % 12}", "product_id": f"B{n // 12}", "star_rating": 4} for n in range(120)
]
EVERY_RECORD_BAD = [{**row, "star_rating": "many"} for row in GOOD]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("good")
    with dg.DagsterInstance.ephemeral() as instance:
        world = world_in(folder, instance)
        world.land("Books", *GOOD)
        assert world.update().failures == ()
        assert lines_for_training(world) == 121
    return Prepared(folder)


@pytest.fixture
def world(prepared: Prepared, instance: dg.DagsterInstance) -> World:
    prepared.put_back()
    return world_in(prepared.folder, instance)


def lines_for_training(world: World) -> int:
    path = Path(world.settings.lake_uri, "train_ready", "amazon_reviews_us_Books.csv")
    return len(path.read_text().splitlines())


def reviews(world: World) -> int:
    ((rows,),) = world.query("select count(*) from ratings.reviews")
    return int(rows)


@pytest.mark.parametrize(
    ("rows", "table", "told"),
    [
        (EVERY_RECORD_BAD, "reviews", "120 of 120 records are rejected, more than 95%"),
        ([], "raw_reviews", "it holds no rows in place of 120"),
        (GOOD[:40], "raw_reviews", "it holds 40 rows in place of 120, 67% less"),
    ],
    ids=["every record rejected", "only a header", "cut at a line end"],
)
def test_it_is_refused_and_can_be_accepted(
    world: World, rows: list[dict[str, object]], table: str, told: str
) -> None:
    world.land("Books", *rows)
    (failure,) = world.update().failures
    assert failure == (
        f"ratings/{table}[Books]: ratings.{table} is not published, its delivery is refused: "
        f"Books: {told}; what was published stays. If the delivery is right, accept it: "
        "pipeline-assets update --accept"
    )
    assert (reviews(world), lines_for_training(world)) == (120, 121)
    assert len(world.update().failures) == 1, "it is told until somebody acts"
    accepted = world.update(accepts=True)
    assert accepted.failures == ()
    assert any(f"{table}[Books]: delivery: " in line and told in line for line in accepted.warnings)
    assert reviews(world) == sum(row["star_rating"] == 4 for row in rows)
    assert world.update().made == ()


def test_a_good_delivery_after_it_needs_nobody(world: World) -> None:
    world.land("Books", *EVERY_RECORD_BAD)
    assert len(world.update().failures) == 1
    world.land("Books", *GOOD, {**GOOD[0], "review_id": "R1"})
    assert world.update().failures == ()
    assert reviews(world) == 121


def test_what_shrinks_within_limits_is_published_and_told(world: World) -> None:
    world.land("Books", *GOOD[:59], {**GOOD[0], "review_id": "R1"})
    updated = world.update()
    assert updated.failures == ()
    assert reviews(world) == 60
    told = "Books: it holds 60 rows in place of 120, 50% less"
    assert f"ratings/raw_reviews[Books]: delivery: {told}" in updated.warnings
