"""A rental shop's database and its customers' film reviews, at any scale, with a truth to compare.

See `rental_rows` for the shop and `review_texts` for what people write.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from adbc_driver_manager import dbapi

from pipeline_assets.dataset.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import attempt, connect, execute, query_fault
from pipeline_assets.postgres.sql import identifier, literal
from pipeline_assets.sample.rental_rows import SCHEMAS, Day, Shop
from pipeline_assets.sample.review_texts import review_text

Run: TypeAlias = Callable[[str], list[dict[str, Any]]]

END: Final = date(2026, 1, 1)
DAYS: Final = 90
REVIEWS_PER_PAYMENT: Final = 0.4
DAYS_BETWEEN_UNSCORED: Final = 6
"""Every sixth day the vendor leaves the score column out."""

SCORES: Final = (1, 2, 3, 4, 5)
SCORE_WEIGHTS: Final = (14, 14, 18, 26, 28)
MARKER: Final = "pipeline-assets sample: "

# What dvdrental and Pagila share; see `SCHEMAS` for the columns.
TABLES: Final = (
    "CREATE TABLE category (category_id integer PRIMARY KEY, name text NOT NULL, {updated})",
    "CREATE TABLE customer (customer_id integer PRIMARY KEY, store_id smallint NOT NULL, first_name"
    " text NOT NULL, last_name text NOT NULL, email text, activebool boolean NOT NULL, create_date"
    " date NOT NULL, {updated})",
    "CREATE TABLE film (film_id integer PRIMARY KEY, title text NOT NULL, rental_duration smallint"
    " NOT NULL, length smallint, {updated})",
    "CREATE TABLE film_category (film_id smallint NOT NULL, category_id smallint NOT NULL,"
    " {updated})",
    "CREATE TABLE inventory (inventory_id integer NOT NULL, film_id integer NOT NULL, store_id"
    " smallint NOT NULL, {updated})",
    "CREATE TABLE rental (rental_id integer NOT NULL, inventory_id integer NOT NULL, customer_id"
    " integer NOT NULL, staff_id smallint NOT NULL, {updated})",
    "CREATE TABLE payment (payment_id integer NOT NULL, customer_id integer NOT NULL, staff_id"
    " smallint NOT NULL, rental_id integer NOT NULL, amount numeric(5, 2) NOT NULL, payment_date"
    " timestamp without time zone NOT NULL)",
)
UPDATED: Final = "last_update timestamp without time zone NOT NULL DEFAULT now()"
# After the rows: one sort is cheaper than a million insertions.
CONSTRAINTS: Final = (
    "ALTER TABLE film_category ADD PRIMARY KEY (film_id, category_id)",
    "ALTER TABLE inventory ADD PRIMARY KEY (inventory_id)",
    "ALTER TABLE rental ADD PRIMARY KEY (rental_id)",
    "ALTER TABLE payment ADD PRIMARY KEY (payment_id)",
    "ALTER TABLE film_category ADD FOREIGN KEY (film_id) REFERENCES film",
    "ALTER TABLE film_category ADD FOREIGN KEY (category_id) REFERENCES category",
    "ALTER TABLE inventory ADD FOREIGN KEY (film_id) REFERENCES film",
    "ALTER TABLE rental ADD FOREIGN KEY (inventory_id) REFERENCES inventory",
    "ALTER TABLE rental ADD FOREIGN KEY (customer_id) REFERENCES customer",
    "ALTER TABLE payment ADD FOREIGN KEY (rental_id) REFERENCES rental",
    "ALTER TABLE payment ADD FOREIGN KEY (customer_id) REFERENCES customer",
    "CREATE INDEX ON payment (payment_date)",
)
_LOCK: Final = "SELECT 1 AS one FROM pg_advisory_xact_lock(hashtextextended('rentals sample', 0))"
_FIND_TABLES: Final = """
    SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class
    WHERE relname IN ({names}) AND relnamespace = current_schema::regnamespace"""


@dataclass(frozen=True)
class FillReport:
    """What a database holds now.

    Attributes:
        created: This call filled it; otherwise it was filled before.
        customers: Rows of ``customer``.
        films: Rows of ``film``.
        payments: Rows of ``payment``, and of ``rental``.
    """

    created: bool
    customers: int
    films: int
    payments: int


@dataclass(frozen=True)
class RentalDayTruth:
    """What a correct pipeline finds for one day.

    Attributes:
        purchases: Payments.
        amount: Their sum, as a decimal.
        customers: How many different customers paid.
        reviews: Accepted reviews.
        reviewers: How many different customers wrote them.
        has_score: Whether the file has the score column.
        rejected: Rejected reviews by what is wrong with them, an entry of ``FAULTS``.
    """

    purchases: int
    amount: str
    customers: int
    reviews: int
    reviewers: int
    has_score: bool
    rejected: dict[str, int]


@dataclass(frozen=True)
class RentalsTruth:
    """The truth of every day, by ISO date, and of all of them.

    Attributes:
        days: Every day's own.
        purchases: Payments of all days.
        amount: Their sum, as a decimal.
        customers: How many different customers paid or reviewed.
        reviews: Accepted reviews of all days.
    """

    days: dict[str, RentalDayTruth]
    purchases: int
    amount: str
    customers: int
    reviews: int


def fill_rentals(
    dsn: SecretDsn,
    scale: float = 1.0,
    seed: int = 0,
    *,
    end: date = END,
    days: int = DAYS,
    recreate: bool = False,
) -> FillReport:
    """Create the dvdrental tables in a database and fill them, all or nothing.

    A database that holds the same sample is left alone.

    Args:
        dsn: The database; the tables go to its default schema.
        scale: 1 is 600 customers and some 190 payments a day.
        seed: Which of the shops of that size.
        end: The day after the last payment, UTC.
        days: How many days of payments.
        recreate: Drop an earlier sample first. Tables that aren't a sample's are never dropped.

    Raises:
        PipelineError: No connection; another sample, or tables of somebody else, are there.
    """
    shop = Shop(scale, seed, end, days)
    with closing(connect(dsn)) as connection:
        run = partial(execute, connection, dsn)
        run(_LOCK)
        comments = _comments(run)
        created = _must_fill(dsn, shop, comments, recreate)
        if created and comments:
            run(f"DROP TABLE {', '.join(SCHEMAS)}")
        if created:
            _create(connection, dsn, shop)
        attempt(connection.commit, partial(query_fault, dsn))
    return FillReport(created, shop.customer_count, shop.film_count, int(shop.counts.sum()))


def write_movie_reviews(
    landing: Path,
    scale: float = 1.0,
    seed: int = 0,
    damage: float = 0.0,
    *,
    end: date = END,
    days: int = DAYS,
) -> RentalsTruth:
    """Write ``movie_review/{date}/movie_review.csv`` for every day and ``movie_review/truth.json``.

    The reviewers are customers of the shop ``fill_rentals`` makes from the same arguments. Files
    are RFC 4180: CRLF, quotes doubled, commas and line breaks inside quotes. A file that would not
    change is not touched.

    Args:
        landing: The landing zone's folder.
        scale: 1 is some 75 reviews a day.
        seed: Which of the shops of that size.
        damage: Share of rows with a fault, of every kind in ``FAULTS``; from 0 to 1.
        end: The day after the last review, UTC.
        days: How many days.

    Raises:
        PipelineError: A damage that isn't a share, a scale or number of days that isn't positive.
    """
    if not 0 <= damage <= 1:
        raise PipelineError(f"damage is a share from 0 to 1, not {damage}")
    shop = Shop(scale, seed, end, days)
    truth = _summed(_write_day(landing, shop, number, damage) for number in range(days))
    described = json.dumps(asdict(truth), indent=1)
    _write_if_changed(landing / "movie_review" / "truth.json", described + "\n")
    return truth


class Review(NamedTuple):
    """A line of a reviews file, as text."""

    cid: str
    review_str: str
    score: str


# What a fault does to a good review. A duplicate follows its original instead.
FAULTS: Final[Mapping[str, Callable[[Review], Review]]] = {
    "unknown_cid": lambda review: review._replace(cid=f"9{review.cid:0>7}"),
    "cid_not_a_number": lambda review: review._replace(cid=f"C-{review.cid}"),
    "nul_character": lambda review: review._replace(review_str=f"{review.review_str}\0"),
    "duplicate_review": lambda review: review,
    "score_0": lambda review: review._replace(score="0"),
    "score_6": lambda review: review._replace(score="6"),
    "score_five": lambda review: review._replace(score="five"),
}


class _WrittenDay(NamedTuple):
    truth: RentalDayTruth
    date: str
    customers: set[int]


def _must_fill(dsn: SecretDsn, shop: Shop, comments: set[str], recreate: bool) -> bool:
    """Whether the tables whose comments these are must be made.

    Raises:
        PipelineError: They are not this sample's, and not to be replaced.
    """
    if not all(comment.startswith(MARKER) for comment in comments):
        raise PipelineError(f"{dsn.where} has such tables of its own; fill an empty database")
    if comments - {_marker(shop)} and not recreate:
        raise PipelineError(
            f"{dsn.where} holds another sample ({min(comments).removeprefix(MARKER)}) than the "
            f"wanted one ({_marker(shop).removeprefix(MARKER)}); ask to recreate it"
        )
    return recreate or not comments


def _marker(shop: Shop) -> str:
    return f"{MARKER}scale {shop.scale}, seed {shop.seed}, {shop.days} days to {shop.end}"


def _comments(run: Run) -> set[str]:
    names = ", ".join(map(literal, SCHEMAS))
    return {str(row["comment"]) for row in run(_FIND_TABLES.format(names=names))}


def _create(connection: dbapi.Connection, dsn: SecretDsn, shop: Shop) -> None:
    run = partial(execute, connection, dsn)
    for table in TABLES:
        run(table.format(updated=UPDATED))
    for name, rows in _all_rows(shop):
        _copy(connection, dsn, name, rows)
    for statement in CONSTRAINTS:
        run(statement)
    for name in SCHEMAS:
        run(f"COMMENT ON TABLE {identifier(name)} IS {literal(_marker(shop))}")


def _all_rows(shop: Shop) -> Iterator[tuple[str, Iterable[pa.RecordBatch]]]:
    yield from ((name, [rows]) for name, rows in shop.masters().items())
    yield "rental", (shop.day(number).rentals for number in range(shop.days))
    yield "payment", (shop.day(number).payments for number in range(shop.days))


def _copy(
    connection: dbapi.Connection, dsn: SecretDsn, table: str, rows: Iterable[pa.RecordBatch]
) -> None:
    reader = pa.RecordBatchReader.from_batches(SCHEMAS[table], rows)
    with closing(connection.cursor()) as cursor:
        attempt(lambda: cursor.adbc_ingest(table, reader, mode="append"), partial(query_fault, dsn))


def _write_day(landing: Path, shop: Shop, number: int, damage: float) -> _WrittenDay:
    day = shop.day(number)
    has_score = (number + 1) % DAYS_BETWEEN_UNSCORED != 0
    lines = list(_lines(shop, day, _faults(has_score), damage))
    path = landing / "movie_review" / day.date.isoformat() / "movie_review.csv"
    _write_if_changed(path, _csv([review for review, _ in lines], has_score))
    reviewers = {int(review.cid) for review, fault in lines if not fault}
    truth = RentalDayTruth(
        purchases=len(day.customers),
        amount=str(day.total),
        customers=len(np.unique(day.customers)),
        reviews=sum(not fault for _, fault in lines),
        reviewers=len(reviewers),
        has_score=has_score,
        rejected=dict(sorted(Counter(fault for _, fault in lines if fault).items())),
    )
    return _WrittenDay(truth, day.date.isoformat(), reviewers.union(day.customers.tolist()))


def _faults(has_score: bool) -> list[str]:
    return [fault for fault in FAULTS if has_score or not fault.startswith("score")]


def _lines(shop: Shop, day: Day, faults: list[str], damage: float) -> Iterator[tuple[Review, str]]:
    """The day's reviews, each with the fault it was given or the empty string."""
    rng = Random(f"damage {shop.seed} {day.date}")  # noqa: S311 - no secret
    for review in _reviews(shop, day):
        fault = rng.choice(faults) if rng.random() < damage else ""
        if fault in ("", "duplicate_review"):
            yield review, ""
        if fault:
            yield FAULTS[fault](review), fault


def _reviews(shop: Shop, day: Day) -> Iterator[Review]:
    """Reviews that all differ, most by customers who paid that day."""
    rng = Random(f"reviews {shop.seed} {day.date}")  # noqa: S311 - no secret
    payers = day.customers.tolist()
    seen: set[tuple[int, str]] = set()
    while len(seen) < len(payers) * REVIEWS_PER_PAYMENT:
        customer = rng.choice(payers) if rng.random() < 0.7 else rng.randint(1, shop.customer_count)
        score = rng.choices(SCORES, SCORE_WEIGHTS)[0]
        text = review_text(rng, score, rng.choice(shop.titles))
        if (customer, text) not in seen:
            seen.add((customer, text))
            yield Review(str(customer), text, str(score))


def _csv(reviews: list[Review], has_score: bool) -> str:
    columns = len(Review._fields) if has_score else len(Review._fields) - 1
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows(row[:columns] for row in (Review._fields, *reviews))
    return text.getvalue()


def _summed(written: Iterable[_WrittenDay]) -> RentalsTruth:
    days: dict[str, RentalDayTruth] = {}
    customers: set[int] = set()
    for truth, day, seen in written:
        days[day] = truth
        customers |= seen
    return RentalsTruth(
        days=days,
        purchases=sum(day.purchases for day in days.values()),
        amount=str(sum((Decimal(day.amount) for day in days.values()), Decimal())),
        customers=len(customers),
        reviews=sum(day.reviews for day in days.values()),
    )


def _write_if_changed(path: Path, text: str) -> None:
    """A file appears whole; an unchanged one keeps its time, so that no sensor sees it as new."""
    content = text.encode()
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
