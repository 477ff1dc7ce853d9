"""Film reviews by a rental shop's customers, in the exact raw format, at any scale.

`rental_rows` says who the customers are and `review_texts` what they write. The files follow
RFC 4180: lines end with CRLF, quotes are doubled, quoted fields may hold commas and line breaks.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from pipeline_assets.sample.arguments import check_arguments
from pipeline_assets.sample.rental_rows import DAYS, END, Day, Shop
from pipeline_assets.sample.review_texts import review_text

REVIEWS_PER_PAYMENT: Final = 0.4
DAYS_BETWEEN_UNSCORED: Final = 6
"""On every sixth day the file has no score column, as vendors' formats do change."""

SCORES: Final = (1, 2, 3, 4, 5)
SCORE_WEIGHTS: Final = (14, 14, 18, 26, 28)


class Review(NamedTuple):
    """A line of a reviews file, as text."""

    cid: str
    review_str: str
    score: str


# What each fault does to a review. A duplicate follows its original, which is no reason to reject
# either, but is counted; the others replace it.
FAULTS: Final[Mapping[str, Callable[[Review], Review]]] = {
    "unknown_cid": lambda review: review._replace(cid=f"9{review.cid:0>7}"),
    "cid_not_a_number": lambda review: review._replace(cid=f"C-{review.cid}"),
    "nul_character": lambda review: review._replace(review_str=f"{review.review_str}\0"),
    "duplicate_review": lambda review: review,
    "score_0": lambda review: review._replace(score="0"),
    "score_6": lambda review: review._replace(score="6"),
    "score_five": lambda review: review._replace(score="five"),
}


def write_movie_reviews(
    landing: Path,
    scale: float = 1.0,
    seed: int = 0,
    damage: float = 0.0,
    *,
    end: date = END,
    days: int = DAYS,
) -> None:
    """Write ``movie_review/{date}/movie_review.csv`` for every day.

    The reviewers are customers of the shop that ``fill_rentals`` writes for the same arguments.

    Args:
        landing: The landing root; its folders are created, files of an earlier call replaced.
        scale: 1 is some 75 reviews a day.
        seed: Another seed gives another shop of the same size.
        damage: Share of rows with a fault, of every kind in ``FAULTS``.
        end: The day after the last review, UTC.
        days: How many days.

    Raises:
        PipelineError: The scale or the number of days is not positive, or the damage is no share.
    """
    check_arguments(scale, damage, "75 reviews a day")
    shop = Shop(scale, seed, end, days)
    for number in range(days):
        _write_day(landing, shop, number, damage)


def _write_day(landing: Path, shop: Shop, number: int, damage: float) -> None:
    day = shop.day(number)
    has_score = (number + 1) % DAYS_BETWEEN_UNSCORED != 0
    columns = len(Review._fields) if has_score else len(Review._fields) - 1
    faults = [fault for fault in FAULTS if has_score or not fault.startswith("score")]
    rows = (Review._fields, *_lines(shop, day, faults, damage))
    folder = landing / "movie_review" / day.date.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "movie_review.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(row[:columns] for row in rows)


def _lines(shop: Shop, day: Day, faults: Sequence[str], damage: float) -> Iterator[Review]:
    rng = Random(f"damage {shop.seed} {day.date}")  # noqa: S311 - no secret
    for review in _reviews(shop, day):
        fault = rng.choice(faults) if rng.random() < damage else ""
        if fault in ("", "duplicate_review"):
            yield review
        if fault:
            yield FAULTS[fault](review)


def _reviews(shop: Shop, day: Day) -> Iterator[Review]:
    """Distinct reviews, most of them by customers who paid that day."""
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
