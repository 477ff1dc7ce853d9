"""From a file of reviews to interactions and what was known before each of them."""

from pathlib import Path

import dagster as dg

from pipeline_assets_tests.domains.ratings.test_assets import ASSETS, world_in

Review = tuple[str, str, str, str]
REVIEWS: list[Review] = [
    ("1", "B1", "5", "2015-01-01"),
    ("2", "B1", "2", "2015-01-02"),
    ("1", "B2", "4", "2015-01-02"),
    ("1", "B3", "3", "2015-01-05"),
    ("1", "B1", "1", "2015-01-06"),  # again: no interaction, but known to later ones
    ("3", "B1", "4", "2015-01-07"),
    ("2", "B3", "", "2015-01-08"),  # no stars
    ("", "B3", "5", "2015-01-08"),  # nobody
    ("2", "B2", "5", ""),  # no date
]
NAMES = ("customer_id", "product_id", "star_rating", "review_date")


def test_reviews_become_interactions_with_what_was_known_before(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    world = world_in(tmp_path, instance, ASSETS)
    rows = [dict(zip(NAMES, it, strict=True)) for it in REVIEWS]
    numbered = [row | {"review_id": f"R{place}"} for place, row in enumerate(rows)]
    votes = {"helpful_votes": "0", "total_votes": "0"}
    world.land("Books", *(row | votes for row in numbered))
    assert world.update().failures == ()
    found = world.query(
        "SELECT customer_id, product_id, rating, part, user_index, item_index "
        "FROM ratings.interactions ORDER BY interaction_id"
    )
    assert found == [
        ("1", "B1", 5, "train", 2, 2),
        ("1", "B2", 4, "validation", 2, 1),
        ("2", "B1", 2, "train", 3, 2),
        ("1", "B3", 3, "test", 2, 1),
        ("3", "B1", 4, "train", 4, 2),
    ]
    histories = world.query(
        "SELECT customer_reviews, customer_mean, product_reviews, product_mean "
        "FROM ratings.interaction_histories ORDER BY interaction_id"
    )
    assert histories == [
        (0, None, 0, None),
        (1, 5.0, 0, None),
        (0, None, 1, 5.0),
        (2, 4.5, 0, None),
        (0, None, 3, 8 / 3),
    ]
    # Training knows one product, so nothing else can be asked of it.
    assert world.query("SELECT count(*) FROM ratings.candidates") == [(0,)]
