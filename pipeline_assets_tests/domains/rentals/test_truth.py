"""The tables hold what the generated files and shop say, exactly."""

from decimal import Decimal

import dagster as dg
import pytest

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.sample.movie_reviews import write_movie_reviews
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.sample.rental_rows import END, Shop
from pipeline_assets_tests.domains.rentals.conftest import world_in
from pipeline_assets_tests.truth.rentals import rentals_truth

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

DAYS = 4


def test_tables_equal_the_truth(
    tmp_path_factory: pytest.TempPathFactory, postgres_dsn: SecretDsn, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path_factory.mktemp("truth")
    fill_rentals(postgres_dsn, scale=0.5, days=DAYS)
    write_movie_reviews(folder / "landing", scale=0.5, damage=0.2, days=DAYS)
    truths = rentals_truth(folder / "landing", Shop(0.5, 0, END, DAYS))
    world = world_in(folder, instance, oltp_dsn=postgres_dsn.reveal())
    assert world.update() == ()
    columns = "sum(purchase_count), sum(amount_spent), sum(review_count)"
    for day, truth in truths.items():
        where = f"where insert_date = '{day}'"
        assert world.query(f"select {columns} from rentals.user_behavior_metric {where}") == [
            (truth.purchases, truth.amount, truth.reviews)
        ]
        assert world.query(
            "select count(*) filter (purchase_count > 0), count(*) filter (review_count > 0) "
            f"from rentals.user_behavior_metric {where}"
        ) == [(len(truth.customers), len(truth.reviewers))]
        reasons = f"select reason, count(*) from rentals.rejected_rows {where} group by 1"
        assert dict(world.query(reasons)) == truth.rejected
    customers = {each for truth in truths.values() for each in truth.customers | truth.reviewers}
    amount = sum((truth.amount for truth in truths.values()), Decimal())
    assert world.query(
        "select count(distinct customer_id), sum(amount_spent) from rentals.user_behavior_metric"
    ) == [(len(customers), amount)]
    assert world.stale() == []
