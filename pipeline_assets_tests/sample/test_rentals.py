from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.postgres.read import stream
from pipeline_assets.sample.movie_reviews import FAULTS, Review, write_movie_reviews
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.sample.rental_rows import SCHEMAS, Shop
from pipeline_assets.sample.review_texts import review_text
from pipeline_assets_tests.truth.rentals import rejections, rentals_truth, reviews

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

END = date(2024, 3, 2)
REASONS = {
    "unknown_cid": "unknown_cid",
    "cid_not_a_number": "bad_cid",
    "nul_character": "nul_byte",
    "duplicate_review": None,
    "score_0": "bad_score",
    "score_6": "bad_score",
    "score_five": "bad_score",
}


def ask(dsn: SecretDsn, query: str, **parameters: datetime) -> list[dict[str, object]]:
    return [row for batch in stream(dsn, query, parameters) for row in batch.to_pylist()]


def test_a_filled_database_matches_the_truth(postgres_dsn: SecretDsn, tmp_path: Path) -> None:
    fill_rentals(postgres_dsn, 0.2, end=END, days=20)
    write_movie_reviews(tmp_path, 0.2, end=END, days=20)
    truth = rentals_truth(tmp_path, Shop(0.2, 0, END, 20))
    sizes = (
        "SELECT (SELECT count(*) FROM customer) AS customers, (SELECT count(*) FROM film) AS films"
    )
    assert ask(postgres_dsn, sizes) == [{"customers": 120, "films": 48}]
    assert list(truth) == [(END - timedelta(n)).isoformat() for n in range(20, 0, -1)]
    found = ask(
        postgres_dsn,
        """SELECT payment_date::date::text AS day, count(*) AS purchases,
                  sum(amount)::numeric(18, 2) AS amount, count(DISTINCT customer_id) AS customers
           FROM payment
           JOIN rental USING (rental_id, customer_id)
           JOIN inventory USING (inventory_id)
           JOIN film USING (film_id)
           JOIN film_category USING (film_id)
           JOIN category USING (category_id)
           GROUP BY 1 ORDER BY 1""",
    )
    expected = [
        {"day": day, "purchases": of.purchases, "amount": of.amount, "customers": len(of.customers)}
        for day, of in truth.items()
    ]
    assert found == expected


def test_days_reach_to_their_very_edges(postgres_dsn: SecretDsn) -> None:
    fill_rentals(postgres_dsn, 0.1, end=END, days=3)
    query = "SELECT min(payment_date) AS first, max(payment_date) AS last FROM payment"
    window = " WHERE payment_date >= %(start)s AND payment_date < %(end)s"
    start = datetime(2024, 2, 29, tzinfo=UTC)
    found = ask(postgres_dsn, query + window, start=start, end=start + timedelta(1))
    assert found == [
        {"first": datetime(2024, 2, 29), "last": datetime(2024, 2, 29, 23, 59, 59, 999999)}
    ]


def test_filling_again_changes_nothing(postgres_dsn: SecretDsn) -> None:
    assert fill_rentals(postgres_dsn, 0.1, end=END, days=3)
    before = ask(postgres_dsn, "SELECT xmin::text AS made FROM payment LIMIT 1")
    assert not fill_rentals(postgres_dsn, 0.1, end=END, days=3)
    assert ask(postgres_dsn, "SELECT xmin::text AS made FROM payment LIMIT 1") == before


def test_another_sample_is_never_replaced(postgres_dsn: SecretDsn) -> None:
    fill_rentals(postgres_dsn, 0.1, end=END, days=3)
    with pytest.raises(PipelineError, match=r"another sample \(scale 0.1, seed 0, 3 days to"):
        fill_rentals(postgres_dsn, 0.1, seed=1, end=END, days=3)


def test_tables_of_somebody_else_are_never_dropped(postgres_dsn: SecretDsn) -> None:
    with connect(postgres_dsn, autocommit=True) as connection:
        execute(connection, postgres_dsn, "CREATE TABLE film AS SELECT 'precious' AS title")
    with pytest.raises(PipelineError, match="has such tables of its own; fill an empty database"):
        fill_rentals(postgres_dsn, 0.1, end=END, days=3)
    assert ask(postgres_dsn, "SELECT * FROM film") == [{"title": "precious"}]


def test_the_columns_are_those_dvdrental_and_pagila_share(
    postgres_dsn: SecretDsn, pagila_dsn: SecretDsn
) -> None:
    query = """SELECT table_name || '.' || column_name AS name FROM information_schema.columns
               WHERE table_schema = 'public'"""
    fill_rentals(postgres_dsn, 0.1, end=END, days=1)
    ours = {row["name"] for row in ask(postgres_dsn, query)}
    assert ours <= {row["name"] for row in ask(pagila_dsn, query)}
    assert {name.partition(".")[0] for name in map(str, ours)} == set(SCHEMAS)


def test_the_shop_is_the_same_every_time_and_another_with_another_seed() -> None:
    shops = [Shop(0.3, seed, END, 10) for seed in (5, 5, 6)]
    first, again, other = [(shop.masters(), shop.day(7).payments) for shop in shops]
    assert first == again
    assert first != other


def test_amounts_have_cents_and_some_are_nothing() -> None:
    amounts = Counter(Shop(1, 0, END, 1).day(0).payments["amount"].to_pylist())
    assert Decimal("0.00") in amounts
    assert len(amounts) > 5


def test_who_rents_less_stays_with_a_category() -> None:
    shop = Shop(1, 0, END, 20)
    categories = shop.inventory_films * 5 % 16
    rentals = [
        (customer, categories[copy - 1] == customer * 7 % 16)
        for day in map(shop.day, range(shop.days))
        for customer, copy in zip(day.customers, day.inventories, strict=True)
    ]
    often = [favourite for customer, favourite in rentals if customer <= 100]
    seldom = [favourite for customer, favourite in rentals if customer > 400]
    assert sum(seldom) / len(seldom) > sum(often) / len(often) + 0.3


@pytest.mark.parametrize(("scale", "days"), [(0, 3), (-1, 3), (1, 0)])
def test_a_shop_of_no_size_is_refused(scale: float, days: int) -> None:
    with pytest.raises(PipelineError, match="must be above 0"):
        Shop(scale, 0, END, days)


def test_reviews_are_customers_words_with_scores(tmp_path: Path) -> None:
    write_movie_reviews(tmp_path, 0.5, end=END, days=4)
    for day, of in rentals_truth(tmp_path, Shop(0.5, 0, END, 4)).items():
        header, *rows = reviews(tmp_path, day)
        assert header == ["cid", "review_str", "score"]
        assert len(rows) == len({tuple(row[:2]) for row in rows}) == of.reviews
        assert all(1 <= int(row[0]) <= 300 for row in rows)
        assert {row[2] for row in rows} <= set("12345")


def test_every_sixth_day_has_no_scores(tmp_path: Path) -> None:
    write_movie_reviews(tmp_path, 0.1, damage=0.5, end=END, days=6)
    days = [(END - timedelta(number)).isoformat() for number in range(6, 0, -1)]
    widths = [len(reviews(tmp_path, day)[0]) for day in days]
    assert widths == [3, 3, 3, 3, 3, 2]


def test_texts_need_real_csv_and_unicode(tmp_path: Path) -> None:
    write_movie_reviews(tmp_path, 4, end=END, days=2)
    texts = [row[1] for day in ("2024-02-29", "2024-03-01") for row in reviews(tmp_path, day)[1:]]
    for mark in ('"', ",", "\n", "😀", "。"):
        assert any(mark in text for text in texts), mark
    raw = (tmp_path / "movie_review" / "2024-03-01" / "movie_review.csv").read_bytes()
    assert raw.startswith(b"cid,review_str,score\r\n")


def test_damage_comes_in_every_kind_and_share(tmp_path: Path) -> None:
    write_movie_reviews(tmp_path, 2, damage=0.4, end=END, days=1)
    (truth,) = rentals_truth(tmp_path, Shop(2, 0, END, 1)).values()
    assert set(truth.rejected) == set(filter(None, REASONS.values()))
    _, *rows = map(tuple, reviews(tmp_path, (END - timedelta(1)).isoformat()))
    copies = len(rows) - len(set(rows))
    assert copies > 0
    # A copy follows its original, which is none of the spoilt rows.
    spoilt = sum(truth.rejected.values()) + copies
    assert spoilt / (len(rows) - copies) == pytest.approx(0.4, rel=0.1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_spoilt_review_is_rejected_for_the_planted_reason(fault: str) -> None:
    sound = Review("7", "Fine.", "4")
    rows = [list(sound), list(FAULTS[fault](sound))]
    assert list(rejections(rows, customers=9)) == [None, REASONS[fault]]


@pytest.mark.parametrize("damage", [-0.1, 1.1])
def test_damage_is_a_share(tmp_path: Path, damage: float) -> None:
    with pytest.raises(PipelineError, match="a share of rows from 0 to 1"):
        write_movie_reviews(tmp_path, damage=damage)


@given(st.integers(), st.integers(1, 5))
def test_a_review_is_never_empty_and_the_same_for_the_same_state(seed: int, score: int) -> None:
    text = review_text(Random(seed), score, "Quiet River")
    assert text.strip()
    assert "{" not in text
    assert text == review_text(Random(seed), score, "Quiet River")
