"""The tables hold what the sample's truth file says, exactly."""

from collections import Counter
from decimal import Decimal

import dagster as dg
import pytest

from pipeline_assets.dataset.dsn import SecretDsn
from pipeline_assets.sample.rentals import fill_rentals, write_movie_reviews
from pipeline_assets_tests.domains.rentals.conftest import world_in

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

DAYS = 4
REASONS = {
    "unknown_cid": "unknown_cid",
    "cid_not_a_number": "bad_cid",
    "nul_character": "nul_byte",
    "duplicate_review": "duplicate_review",
    "score_0": "bad_score",
    "score_6": "bad_score",
    "score_five": "bad_score",
}


def test_tables_equal_the_truth(
    tmp_path_factory: pytest.TempPathFactory, postgres_dsn: SecretDsn, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path_factory.mktemp("truth")
    fill_rentals(postgres_dsn, scale=0.5, days=DAYS)
    truth = write_movie_reviews(folder / "landing", scale=0.5, damage=0.2, days=DAYS)
    world = world_in(folder, instance, oltp_dsn=postgres_dsn.reveal())
    assert world.update() == ()
    columns = "sum(purchase_count), sum(amount_spent), sum(review_count)"
    for day, told in truth.days.items():
        where = f"where insert_date = '{day}'"
        assert world.query(f"select {columns} from rentals.user_behavior_metric {where}") == [
            (told.purchases, Decimal(told.amount), told.reviews)
        ]
        assert world.query(
            "select count(*) filter (purchase_count > 0), count(*) filter (review_count > 0) "
            f"from rentals.user_behavior_metric {where}"
        ) == [(told.customers, told.reviewers)]
        expected: Counter[str] = Counter()
        for fault, count in told.rejected.items():
            expected[REASONS[fault]] += count
        reasons = f"select reason, count(*) from rentals.rejected_rows {where} group by 1"
        assert dict(world.query(reasons)) == expected
    everyone = (
        "select count(distinct customer_id), sum(amount_spent) from rentals.user_behavior_metric"
    )
    assert world.query(everyone) == [(truth.customers, Decimal(truth.amount))]
    assert world.stale() == []
