"""The rentals graph on a small shop, end to end."""

from decimal import Decimal

import dagster as dg
import pytest

from pipeline_assets.command.postgres_server import ensure_database
from pipeline_assets.dataset.computation import compile_computation
from pipeline_assets.dataset.inputs import unbound
from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.domains.rentals.assets import (
    film_rentals,
    sentiment_model,
    user_behavior_metric,
    user_purchases,
    viewing_similarity,
)
from pipeline_assets.staleness.versions import evaluate
from pipeline_assets_tests.domains.rentals.conftest import MakeWorld
from pipeline_assets_tests.domains.rentals.world import ASSETS, HEADER, World, pay, sql

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

BEFORE, DAY, NEXT = "2025-12-31", "2026-01-01", "2026-01-02"
WORDS = {1: "awful boring mess", 3: "it is fine", 5: "wonderful lovely film"}
TRAINING = [(1, f"{text} {n}", score) for score, text in WORDS.items() for n in range(12)]
METRIC = (
    "select customer_id, amount_spent, purchase_count, review_score, review_count "
    "from rentals.user_behavior_metric where insert_date = '{day}' order by 1"
)
# Each test updates what it looks at, with days that follow one another: a step costs a third of a
# second, and one run makes a range of days.
PURCHASES = ("user_purchases", "user_behavior_metric")
SIMILARITY = ("film_rentals", "viewing_similarity")
REVIEWS = ("raw_movie_reviews", "rejected_rows", "movie_reviews")
CLASSIFIED = (*REVIEWS, "sentiment_model", "classified_movie_reviews")


def land_training(world: World, day: str = BEFORE) -> None:
    world.land(day, *TRAINING)


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
def test_every_expression_compiles_for_every_engine(dialect: Dialect) -> None:
    tables = {asset.name: asset.table for asset in ASSETS}
    for asset in (asset for asset in ASSETS if asset.kind != "ingest"):
        inputs = {spec.name: unbound(spec, tables[spec.upstream]) for spec in asset.inputs}
        config = asset.config_type and asset.config_type()
        assert compile_computation(evaluate(asset, inputs, config), asset.result, dialect).sql


def test_three_purchases_and_four_reviews_count_once(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal(), warehouse_dsn=shop.reveal())
    for number, amount in enumerate(["0.99", "2.99", "4.00"], start=1):
        pay(shop, number, 1, 1, amount, f"{DAY} 12:00:0{number}")
    land_training(world)
    world.land(DAY, *[(1, f"{WORDS[5]}, seen {n} times", "") for n in range(4)], (2, WORDS[1], 1))
    assert world.update() == ()
    expected = [(1, Decimal("7.98000"), 3, 4, 4), (2, Decimal("0.00000"), 0, 0, 1)]
    assert world.query(METRIC.format(day=DAY)) == expected
    loaded = sql(shop, METRIC.format(day=DAY))
    assert [tuple(row.values()) for row in loaded] == [
        (who, str(spent), *counts) for who, spent, *counts in expected
    ]
    assert world.stale() == []


def test_windows_are_half_open_and_in_utc(make_world: MakeWorld, shop: SecretDsn) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 00:00:00")
    pay(shop, 2, 1, 1, "2.00", f"{DAY} 23:59:59.999999")
    pay(shop, 3, 1, 1, "4.00", f"{NEXT} 00:00:00")
    assert world.update("user_purchases") == ()
    assert world.query(
        "select insert_date::text, sum(amount) from rentals.user_purchases group by 1 order by 1"
    ) == [(DAY, Decimal("3.00000")), (NEXT, Decimal("4.00000"))]


def test_a_film_of_two_categories_and_a_payment_without_a_rental_are_one_row_each(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    sql(shop, f"INSERT INTO payment VALUES (2, 1, NULL, 5, '{DAY} 02:00')")
    assert world.update("user_purchases") == ()
    assert world.query(
        "select payment_id, title, category, amount from rentals.user_purchases order by 1"
    ) == [(1, "Quiet River", "Drama", Decimal("1.00000")), (2, None, None, Decimal("5.00000"))]


def test_without_databases_nothing_is_expected_of_what_needs_them(make_world: MakeWorld) -> None:
    world = make_world()
    land_training(world)
    assert world.updater.outside().idle == {
        "rentals/film_rentals": "PIPELINE_OLTP_DSN is not set",
        "rentals/user_purchases": "PIPELINE_OLTP_DSN is not set",
        "rentals/rejected_purchases": "PIPELINE_OLTP_DSN is not set",
        "warehouse/user_behavior_metric": "PIPELINE_WAREHOUSE_DSN is not set",
    }
    assert world.update() == ()
    assert world.query(
        "select sum(review_count), sum(amount_spent) from rentals.user_behavior_metric"
    ) == [(36, Decimal("0.00000"))]
    assert world.stale() == []


def test_reviews_that_come_later_change_only_their_day(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    pay(shop, 2, 2, 2, "2.00", f"{NEXT} 01:00")
    land_training(world)
    assert world.update() == ()
    assert world.query(METRIC.format(day=DAY)) == [(1, Decimal("1.00000"), 1, 0, 0)]
    world.land(DAY, (2, WORDS[5], 5))
    assert {name for name in world.stale() if NEXT in name} == set()
    assert "sentiment_model[]" not in world.stale()
    assert world.update() == ()
    assert world.query(METRIC.format(day=DAY)) == [
        (1, Decimal("1.00000"), 1, 0, 0),
        (2, Decimal("0.00000"), 0, 1, 1),
    ]


def test_bad_reviews_are_explained(make_world: MakeWorld, shop: SecretDsn) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    text = 'He said "see it",\nand I did'
    world.land(
        DAY, (1, text, 5), (7, "who?", 4), ("C-1", "x", 1), (1, "zero", 0),
        (7, "six", 6), (1, "five", "five"), (1, "nul\0", 3), (2, "", ""), ("1.5", "x", ""), (),
    )  # fmt: skip
    world.run("raw_movie_reviews", "movie_reviews", "rejected_rows", keys=[DAY])
    assert world.query("select cid, review_str, score from rentals.movie_reviews order by 1") == [
        (1, text, 5),
        (2, "", None),
    ]
    assert world.query("select row_number, reason from rentals.rejected_rows order by 1") == [
        (2, "unknown_cid"),
        (3, "bad_cid"),
        (4, "bad_score"),
        (5, "bad_score, unknown_cid"),
        (6, "bad_score"),
        (7, "nul_byte"),
        (9, "bad_cid"),
        (10, "empty_line"),
    ]


def test_whole_numbers_as_pandas_writes_them_are_numbers(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    world.land(DAY, ("2.0", "known", "5.0"), ("7.0", "unknown", "5"))
    world.run("raw_movie_reviews", "movie_reviews", "rejected_rows", keys=[DAY])
    assert world.query("select cid, score from rentals.movie_reviews") == [(2, 5)]
    assert world.query("select reason, raw from rentals.rejected_rows") == [
        ("unknown_cid", "7.0,unknown,5")
    ]


def test_reviews_that_are_written_again_are_kept_and_counted(make_world: MakeWorld) -> None:
    world = make_world()
    words, again = WORDS[5], "nothing new"
    rows = [(1, words, 5, "Heat"), (1, words, 5, "Ran"), (1, again, 3, "Ran"), (1, again, 3, "Ran")]
    world.land(DAY, *rows, header=(*HEADER, "film"))
    world.land(NEXT, (1, words, 5), (1, words, 5), (1, words, 5))
    told = {}
    for day in (DAY, NEXT):
        result = world.run("raw_movie_reviews", "movie_reviews", "rejected_rows", keys=[day])
        (check,) = (
            each
            for each in result.get_asset_check_evaluations()
            if each.check_name == "reviews_are_written_once"
        )
        told[day] = (check.passed, check.severity, check.metadata["failed_rows"].value)
    assert told == dict.fromkeys((DAY, NEXT), (False, dg.AssetCheckSeverity.WARN, 1))
    assert world.query(
        "select insert_date::text, film, count(*) from rentals.movie_reviews group by all "
        "order by all"
    ) == [(DAY, "Heat", 1), (DAY, "Ran", 3), (NEXT, None, 3)]
    assert world.query("select count(*) from rentals.rejected_rows") == [(0,)]


def test_a_file_without_header_is_named_and_the_day_before_stays(make_world: MakeWorld) -> None:
    world = make_world()
    land_training(world)
    assert world.update(*REVIEWS) == ()
    path = world.land(BEFORE, (1, "again", 4), header=("1", "no header", "3"))
    failures = world.update()
    assert f"{path} lacks column cid, review_str" in failures[0]
    assert world.query("select count(*) from rentals.movie_reviews") == [(36,)]


def test_folders_that_are_no_window_are_named_and_those_to_come_wait(make_world: MakeWorld) -> None:
    world = make_world()
    for key in ("someday", "1999-01-01", "2999-01-01"):
        world.land(key)
    told = "movie_review/{}/movie_review.csv: insert_date '{}' is no window from 2005-01-01 on"
    problems = world.update()
    assert [problem.partition(",")[0] for problem in problems] == [
        told.format(key, key) for key in ("1999-01-01", "someday")
    ]


def test_too_few_reviews_of_a_class_fail_the_model_and_the_last_good_one_goes_on(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    land_training(world)
    assert world.update(*CLASSIFIED) == ()
    world.land(BEFORE, *[(1, f"{WORDS[5]} {n}", 5) for n in range(9)])
    assert world.update(*CLASSIFIED) == ()
    result = world.run("sentiment_model")
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "too few negative" in str(failure.step_failure_data.error)
    world.land(DAY, (1, WORDS[1], ""))
    assert world.update(*CLASSIFIED) == ()
    assert world.query(
        "select sentiment, positive_review from rentals.classified_movie_reviews "
        f"where insert_date = '{DAY}'"
    ) == [(0, False)]


def test_the_model_page_shows_report_and_confusion_matrix(make_world: MakeWorld) -> None:
    world = make_world()
    land_training(world)
    world.update(*REVIEWS, "sentiment_model")
    (event,) = world.instance.fetch_materializations(sentiment_model.key, limit=1).records
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert "| positive |" in str(metadata["report"].value)
    assert "data:image/png" in str(metadata["confusion_matrix"].value)


def test_similarity_is_cumulative(make_world: MakeWorld, shop: SecretDsn) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    for number, (inventory, at) in enumerate(
        [(1, f"{DAY} 01:00"), (1, f"{DAY} 02:00"), (2, f"{NEXT} 01:00")], start=1
    ):
        pay(shop, number, 1, inventory, "1.00", at)
    pay(shop, 4, 2, 1, "1.00", f"{DAY} 01:00")
    assert world.update(*SIMILARITY) == ()
    expected = [(1, 2, 1.0, DAY), (2, 1, None, DAY), (1, 3, 0.5, NEXT), (2, 1, None, NEXT)]
    table = "rentals.viewing_similarity"
    rows = (
        f"select customer_id, rental_count, consecutive_similarity, insert_date::text from {table}"
    )
    assert world.query(f"{rows} order by 4, 1") == expected
    world.run("viewing_similarity", keys=[NEXT])
    assert world.query(f"{rows} order by 4, 1") == expected
    assert world.stale(*SIMILARITY) == []


@pytest.mark.parametrize("column", ["rental_date timestamptz", "rental_period tstzrange", ""])
def test_similarity_counts_rentals_in_the_order_of_their_dates_paid_or_not(
    make_world: MakeWorld, shop: SecretDsn, column: str
) -> None:
    """Paid for are rentals 1 (days later) and 4; without dates the others count beside rental 1."""
    world = make_world(oltp_dsn=shop.reveal())
    at = {1: f"{DAY} 05:00+00", 2: f"{DAY} 03:00+00", 3: f"{DAY} 04:00+00", 4: f"{NEXT} 01:00+00"}
    film = {1: 1, 2: 1, 3: 2, 4: 1}
    sql(shop, f"ALTER TABLE rental ADD {column}" if column else "SELECT 1 AS one")
    for number, inventory in film.items():
        date = f"'{at[number]}'" if "timestamptz" in column else f"tstzrange('{at[number]}', NULL)"
        extra = f", {date}" if column else ""
        sql(shop, f"INSERT INTO rental VALUES ({number}, {inventory}, 1{extra})")
    paid = DAY if not column else "2026-01-05"
    sql(shop, f"INSERT INTO payment VALUES (9, 1, 1, 1.00, '{paid} 09:00')")
    sql(shop, f"INSERT INTO payment VALUES (8, 1, 4, 1.00, '{NEXT} 09:00')")
    assert world.update(*SIMILARITY) == ()
    similarity = 1 / 2 if not column else 0.0
    assert world.query(
        "select rental_count, consecutive_similarity from rentals.viewing_similarity "
        f"where insert_date = '{DAY}'"
    ) == [(3, similarity)]
    assert world.query(
        "select rental_count, consecutive_similarity from rentals.viewing_similarity "
        f"where insert_date = '{NEXT}'"
    ) == [(4, 1 / 3)]
    assert world.stale(*SIMILARITY) == []


def test_every_daily_table_has_the_days_that_only_have_reviews(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    pay(shop, 1, 1, 1, "1.00", f"{NEXT} 01:00")
    pay(shop, 2, 1, 1, "1.00", "2026-01-03 01:00")
    land_training(world, DAY)
    world.land("2026-01-05", (2, WORDS[5], 5))
    assert world.update() == ()
    days = {DAY, NEXT, "2026-01-03", "2026-01-05"}
    for asset in (film_rentals, user_purchases, viewing_similarity, user_behavior_metric):
        assert set(world.updater.deployment.lake.records(asset.table)) == days
    assert world.query(
        "select insert_date::text, rental_count from rentals.viewing_similarity order by 1"
    ) == [(NEXT, 1), ("2026-01-03", 2), ("2026-01-05", 2)]
    assert world.stale() == []
    moved = f"UPDATE payment SET payment_date = '{BEFORE}' WHERE payment_id = 1"
    sql(shop, f"{moved}; UPDATE rental SET customer_id = 2")
    assert world.update("user_purchases", "film_rentals") == ()
    assert world.query("select insert_date::text from rentals.user_purchases order by 1") == [
        (BEFORE,),
        ("2026-01-03",),
    ]


def test_payments_before_the_first_window_are_counted_and_told(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal(), rentals_start=NEXT)
    for number, day in enumerate(("2025-12-30", DAY, DAY, NEXT)):
        pay(shop, number, 1, 1, "1.00", f"{day} 01:00")
    told = "3 rows are older than the first window 2026-01-02 and left out"
    notes = world.updater.outside().notes
    assert [note.partition(";")[0] for note in notes] == [
        f"rentals/user_purchases: {told}",
        f"rentals/film_rentals: {told}",
    ]
    assert world.update("user_purchases", "film_rentals") == ()


def test_a_database_that_is_down_is_one_line_and_leaves_what_there_is(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    assert make_world(oltp_dsn=shop.reveal()).update("user_purchases") == ()
    gone = keyword_dsn({**shop.options, "port": "1", "password": "hunter2-secret"})
    world = make_world(oltp_dsn=gone, warehouse_dsn=gone)
    told = world.update()
    assert any("no server answers" in line and "\n" not in line for line in told)
    result = world.run("user_purchases", keys=[DAY])
    assert not result.success
    assert world.query("select count(*) from rentals.user_purchases") == [(1,)]
    records = world.instance.all_logs(result.run_id)
    assert "hunter2-secret" not in "".join([*told, *map(str, records)])


def test_a_window_without_purchases_still_has_everybodys_past(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    pay(shop, 2, 1, 1, "1.00", "2026-01-03 01:00")
    assert world.update(*SIMILARITY) == ()
    assert world.query(
        "select insert_date::text, rental_count from rentals.viewing_similarity order by 1"
    ) == [(DAY, 1), (NEXT, 1), ("2026-01-03", 2)]


def test_a_late_or_corrected_payment_is_noticed(make_world: MakeWorld, shop: SecretDsn) -> None:
    world = make_world(oltp_dsn=shop.reveal())
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    pay(shop, 2, 1, 1, "2.00", f"{NEXT} 01:00")
    assert world.update(*PURCHASES) == ()
    sql(shop, "UPDATE payment SET customer_id = 2 WHERE payment_id = 2")
    assert f"user_purchases[{DAY}]" not in world.stale()
    assert f"user_purchases[{NEXT}]" in world.stale()
    assert world.update(*PURCHASES) == ()
    pay(shop, 3, 1, 1, "4.00", f"{DAY} 23:59:59.999999")
    assert f"user_purchases[{DAY}]" in world.stale()
    assert world.update(*PURCHASES) == ()
    assert world.query(
        "select insert_date::text, customer_id, amount_spent from rentals.user_behavior_metric "
        "order by 1, 2"
    ) == [(DAY, 1, Decimal("5.00000")), (NEXT, 2, Decimal("2.00000"))]
    assert world.stale(*PURCHASES) == []


def test_another_warehouse_gets_everything(
    make_world: MakeWorld, shop: SecretDsn, postgres_server: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal(), warehouse_dsn=shop.reveal())
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 01:00")
    assert world.update(*PURCHASES) == ()
    elsewhere = ensure_database(postgres_server, "elsewhere")
    world = make_world(oltp_dsn=shop.reveal(), warehouse_dsn=elsewhere.reveal())
    assert world.stale(*PURCHASES) == [f"user_behavior_metric[{DAY}]"]
    assert world.update(*PURCHASES) == ()
    assert [row["customer_id"] for row in sql(elsewhere, METRIC.format(day=DAY))] == [1]
    assert world.stale(*PURCHASES) == []


def test_hours_are_a_setting(make_world: MakeWorld, shop: SecretDsn) -> None:
    world = make_world(
        oltp_dsn=shop.reveal(),
        warehouse_dsn=shop.reveal(),
        rentals_granularity="hourly",
        rentals_start="2025-12-01",
    )
    pay(shop, 1, 1, 1, "1.00", f"{DAY} 04:59:59.999999")
    pay(shop, 2, 1, 1, "2.00", f"{DAY} 05:00:00")
    pay(shop, 3, 1, 2, "4.00", f"{DAY} 07:00:00")
    world.land(f"{DAY}T05", *TRAINING, (2, f"{WORDS[1]} again", 1))
    world.land(DAY, (1, "a day is no hour", 3))
    (problem,) = world.update()
    assert f"insert_date '{DAY}' is no window from 2025-12-01T00 on" in problem
    first, second = f"{DAY}T04", f"{DAY}T05"
    assert world.query(METRIC.format(day=first)) == [(1, Decimal("1.00000"), 1, 0, 0)]
    assert world.query(METRIC.format(day=second)) == [
        (1, Decimal("2.00000"), 1, 12, 36),
        (2, Decimal("0.00000"), 0, 0, 1),
    ]
    spent = "SELECT insert_date, amount_spent FROM rentals.user_behavior_metric"
    assert [
        tuple(row.values()) for row in sql(shop, f"{spent} WHERE amount_spent > 0 ORDER BY 1")
    ] == [
        (first, "1.00000"),
        (second, "2.00000"),
        (f"{DAY}T07", "4.00000"),
    ]
    assert world.query(
        "select insert_date, rental_count from rentals.viewing_similarity order by 1"
    ) == [(first, 1), (second, 2), (f"{DAY}T06", 2), (f"{DAY}T07", 3)]
    pay(shop, 4, 1, 1, "8.00", f"{DAY} 05:59:59")
    made = [name for name in world.stale() if name.startswith("user_purchases")]
    assert made == [f"user_purchases[{second}]"]


def test_a_day_delivered_again_replaces_what_it_said_also_in_the_warehouse(
    make_world: MakeWorld, shop: SecretDsn
) -> None:
    world = make_world(oltp_dsn=shop.reveal(), warehouse_dsn=shop.reveal())
    land_training(world)
    world.land(DAY, (1, WORDS[1], 1), (2, WORDS[5], 5), (2, "sixth star", 6))
    assert world.update() == ()
    world.land(DAY, (1, WORDS[5], 5), (2, WORDS[5], 5), (2, "fifth star", 5))
    assert world.update() == ()
    expected = [(1, Decimal("0.00000"), 0, 1, 1), (2, Decimal("0.00000"), 0, 2, 2)]
    counts = METRIC.format(day=DAY).replace("amount_spent, ", "")
    assert world.query(METRIC.format(day=DAY))[0][:2] == expected[0][:2]
    assert [tuple(row.values()) for row in sql(shop, counts)] == world.query(counts)
    assert world.query("select count(*) from rentals.rejected_rows") == [(0,)]
    assert (
        world.query(f"select score from rentals.movie_reviews where insert_date = '{DAY}'")
        == [(5,)] * 3
    )


def test_a_text_of_a_megabyte_and_texts_of_any_language_are_classified(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    land_training(world)
    texts = [
        "wonderful " * 100_000,
        "素晴らしい映画",
        "фильм ужасный",
        "👎👎👎",
        " ",
        'a\r\n"b"',
    ]
    world.land(DAY, *[(1, text, "") for text in texts])
    assert world.update(*CLASSIFIED) == ()
    found = world.query(
        "select review_str, confidence between 0.3 and 1 from rentals.classified_movie_reviews "
        f"where insert_date = '{DAY}'"
    )
    assert sorted(text for text, _ in found) == sorted(texts)
    assert all(sure for _, sure in found)
