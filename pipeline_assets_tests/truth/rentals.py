"""What a correct pipeline finds in a day of a rental shop and of its customers' reviews."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pipeline_assets.sample.rental_rows import PRICES, Shop


@dataclass(frozen=True)
class DayTruth:
    """What a correct pipeline finds for one day.

    Attributes:
        purchases: Payments.
        amount: Their sum.
        customers: Who paid.
        reviews: Accepted reviews.
        reviewers: Who wrote them.
        rejected: Rejected reviews by reason.
    """

    purchases: int
    amount: Decimal
    customers: set[int]
    reviews: int
    reviewers: set[int]
    rejected: dict[str, int]


def rentals_truth(landing: Path, shop: Shop) -> dict[str, DayTruth]:
    """Every day's truth, by ISO date, from the shop's rows and the files of reviews."""
    return {
        shop.date(number).isoformat(): _day(landing, shop, number) for number in range(shop.days)
    }


def reviews(landing: Path, day: str) -> list[list[str]]:
    """Header and rows of a day's file."""
    path = landing / "movie_review" / day / "movie_review.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, strict=True))


def _day(landing: Path, shop: Shop, number: int) -> DayTruth:
    day = shop.day(number)
    _, *rows = reviews(landing, day.date.isoformat())
    reasons = list(rejections(rows, shop.customer_count))
    accepted = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    return DayTruth(
        purchases=len(day.customers),
        amount=sum((Decimal(PRICES[price]) for price in day.prices), Decimal()),
        customers=set(day.customers.tolist()),
        reviews=len(accepted),
        reviewers={int(row[0]) for row in accepted},
        rejected=dict(Counter(reason for reason in reasons if reason)),
    )


def rejections(rows: Iterable[list[str]], customers: int) -> Iterator[str | None]:
    """The reason to reject each row of a file; None to accept it, also if it is written again."""
    yield from (_rejection(row, customers) for row in rows)


def _rejection(row: list[str], customers: int) -> str | None:
    cid, text, *score = row
    if not cid.isdecimal():
        return "bad_cid"
    if int(cid) > customers:
        return "unknown_cid"
    if "\0" in text:
        return "nul_byte"
    return "bad_score" if score and score[0] not in {*"12345"} else None
