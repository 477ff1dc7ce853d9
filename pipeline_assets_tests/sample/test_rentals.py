import csv
import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.dataset.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.postgres.read import stream
from pipeline_assets.sample.rental_rows import SCHEMAS, Shop
from pipeline_assets.sample.rentals import FAULTS, FillReport, fill_rentals, write_movie_reviews
from pipeline_assets.sample.review_texts import review_text

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

END = date(2024, 3, 2)


def ask(dsn: SecretDsn, query: str, **parameters: datetime) -> list[dict[str, object]]:
    return [row for batch in stream(dsn, query, parameters) for row in batch.to_pylist()]


def reviews(landing: Path, day: str) -> list[list[str]]:
    path = landing / "movie_review" / day / "movie_review.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, strict=True))


def test_a_filled_database_matches_the_truth(postgres_dsn: SecretDsn, tmp_path: Path) -> None:
    report = fill_rentals(postgres_dsn, 0.2, end=END, days=20)
    truth = write_movie_reviews(tmp_path, 0.2, end=END, days=20)
    assert report == FillReport(True, 120, 48, truth.purchases)
    assert list(truth.days) == [(END - timedelta(n)).isoformat() for n in range(20, 0, -1)]
    found = ask(
        postgres_dsn,
        """SELECT payment_date::date::text AS day, count(*) AS purchases,
                  sum(amount)::text AS amount, count(DISTINCT customer_id) AS customers
           FROM payment
           JOIN rental USING (rental_id, customer_id)
           JOIN inventory USING (inventory_id)
           JOIN film USING (film_id)
           JOIN film_category USING (film_id)
           JOIN category USING (category_id)
           GROUP BY 1 ORDER BY 1""",
    )
    expected = [
        {"day": day, "purchases": of.purchases, "amount": of.amount, "customers": of.customers}
        for day, of in truth.days.items()
    ]
    assert found == expected
    assert truth.amount == str(sum(Decimal(day.amount) for day in truth.days.values()))


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
    first = fill_rentals(postgres_dsn, 0.1, end=END, days=3)
    before = ask(postgres_dsn, "SELECT xmin::text AS made FROM payment LIMIT 1")
    second = fill_rentals(postgres_dsn, 0.1, end=END, days=3)
    assert (first.created, second.created) == (True, False)
    assert ask(postgres_dsn, "SELECT xmin::text AS made FROM payment LIMIT 1") == before


def test_another_sample_is_only_replaced_when_asked(postgres_dsn: SecretDsn) -> None:
    fill_rentals(postgres_dsn, 0.1, end=END, days=3)
    with pytest.raises(PipelineError, match=r"another sample \(scale 0.1, seed 0, 3 days to"):
        fill_rentals(postgres_dsn, 0.1, seed=1, end=END, days=3)
    report = fill_rentals(postgres_dsn, 0.1, seed=1, end=END, days=4, recreate=True)
    days = "SELECT count(DISTINCT payment_date::date) AS days, count(*) AS payments FROM payment"
    assert ask(postgres_dsn, days) == [{"days": 4, "payments": report.payments}]


def test_tables_of_somebody_else_are_never_dropped(postgres_dsn: SecretDsn) -> None:
    with connect(postgres_dsn, autocommit=True) as connection:
        execute(connection, postgres_dsn, "CREATE TABLE film AS SELECT 'precious' AS title")
    with pytest.raises(PipelineError, match="has such tables of its own; fill an empty database"):
        fill_rentals(postgres_dsn, 0.1, end=END, days=3, recreate=True)
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
    truth = write_movie_reviews(tmp_path, 0.5, end=END, days=4)
    for day, of in truth.days.items():
        header, *rows = reviews(tmp_path, day)
        assert header == ["cid", "review_str", "score"]
        assert len(rows) == len({tuple(row[:2]) for row in rows}) == of.reviews
        assert len({row[0] for row in rows}) == of.reviewers
        assert all(1 <= int(row[0]) <= 300 for row in rows)
        assert {row[2] for row in rows} <= set("12345")
        assert of.rejected == {}
    assert json.loads((tmp_path / "movie_review" / "truth.json").read_text()) == asdict(truth)


def test_every_sixth_day_has_no_scores(tmp_path: Path) -> None:
    truth = write_movie_reviews(tmp_path, 0.1, damage=0.5, end=END, days=6)
    *scored, bare = truth.days
    assert reviews(tmp_path, bare)[0] == ["cid", "review_str"]
    assert [truth.days[day].has_score for day in scored] == [True] * 5
    assert not any(fault.startswith("score") for fault in truth.days[bare].rejected)


def test_texts_need_real_csv_and_unicode(tmp_path: Path) -> None:
    truth = write_movie_reviews(tmp_path, 4, end=END, days=2)
    texts = [row[1] for day in truth.days for row in reviews(tmp_path, day)[1:]]
    for mark in ('"', ",", "\n", "😀", "。"):
        assert any(mark in text for text in texts), mark
    raw = (tmp_path / "movie_review" / "2024-03-01" / "movie_review.csv").read_bytes()
    assert raw.startswith(b"cid,review_str,score\r\n")


def test_damaged_rows_are_counted_by_what_is_wrong(tmp_path: Path) -> None:
    truth = write_movie_reviews(tmp_path, 2, damage=0.4, end=END, days=1)
    (day,) = truth.days
    rows = reviews(tmp_path, day)[1:]
    assert set(truth.days[day].rejected) == set(FAULTS)
    assert faults(rows) == truth.days[day].rejected
    assert len(rows) == truth.days[day].reviews + sum(truth.days[day].rejected.values())


def faults(rows: list[list[str]]) -> Counter[str]:
    """Faults found by looking at the rows."""
    found: Counter[str] = Counter()
    seen = set()
    for cid, text, score in rows:
        found["cid_not_a_number"] += not cid.isdigit()
        found["unknown_cid"] += cid.isdigit() and int(cid) > 1200
        found["nul_character"] += "\0" in text
        found[f"score_{score}"] += score in ("0", "6", "five")
        found["duplicate_review"] += (cid, text, score) in seen
        seen.add((cid, text, score))
    return +found


def test_writing_again_touches_no_file(tmp_path: Path) -> None:
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    write_movie_reviews(tmp_path, 0.1, end=END, days=3)
    before = times()
    write_movie_reviews(tmp_path, 0.1, end=END, days=3)
    assert times() == before
    write_movie_reviews(tmp_path, 0.1, seed=1, end=END, days=3)
    assert times() != before


@pytest.mark.parametrize("damage", [-0.1, 1.1])
def test_damage_is_a_share(tmp_path: Path, damage: float) -> None:
    with pytest.raises(PipelineError, match="a share from 0 to 1"):
        write_movie_reviews(tmp_path, damage=damage)


@given(st.integers(), st.integers(1, 5))
def test_a_review_is_never_empty_and_the_same_for_the_same_state(seed: int, score: int) -> None:
    text = review_text(Random(seed), score, "Quiet River")
    assert text.strip()
    assert "{" not in text
    assert text == review_text(Random(seed), score, "Quiet River")
