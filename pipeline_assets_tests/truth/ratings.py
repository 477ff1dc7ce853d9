"""What a correct pipeline finds in a category of Amazon reviews, and what its filters leave."""

import gzip
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from pipeline_assets.sample.ratings import SUFFIXES
from pipeline_assets.sample.ratings_reviews import (
    CAST_CUSTOMERS,
    CAST_PRODUCTS,
    COLUMNS,
    customer_id,
    product_id,
)

CUSTOMER_ROWS: Final = 5
PRODUCT_ROWS: Final = 10


class Rating(NamedTuple):
    """Who rated what with how many stars, as text; null is empty."""

    customer: str
    product: str
    stars: str


def one_shot(
    ratings: Sequence[Rating], customer_rows: int = CUSTOMER_ROWS, product_rows: int = PRODUCT_ROWS
) -> list[Rating]:
    """Rows whose customer and whose product have enough rows, both counted in all rows given.

    Rows without a customer or product count for the other one, then drop.
    """
    customers = Counter(rating.customer for rating in ratings)
    products = Counter(rating.product for rating in ratings)
    return [
        rating
        for rating in ratings
        if rating.customer and customers[rating.customer] >= customer_rows
        if rating.product and products[rating.product] >= product_rows
    ]


def k_core(
    ratings: Sequence[Rating], customer_rows: int = CUSTOMER_ROWS, product_rows: int = PRODUCT_ROWS
) -> list[Rating]:
    """What is left when nothing changes any more by repeating :func:`one_shot`."""
    kept = one_shot(ratings, customer_rows, product_rows)
    while len(kept) < len(ratings):
        ratings, kept = kept, one_shot(kept, customer_rows, product_rows)
    return kept


@dataclass(frozen=True)
class FilterTruth:
    """What a filter leaves: rows, distinct customers and products, and rows by stars or `null`."""

    rows: int
    users: int
    items: int
    stars: dict[str, int]


@dataclass(frozen=True)
class CastTruth:
    """A planted customer or product: the rows it has, and those either filter leaves of it."""

    id: str
    rows: int
    one_shot: int
    k_core: int


@dataclass(frozen=True)
class CategoryTruth:
    """What a correct pipeline finds in one category.

    Attributes:
        file: Its landing file, below the landing root.
        rows: Records in it.
        accepted: Those that can be typed: rows of `reviews`.
        rejected: The others, by reason.
        null_customers: Accepted rows without a customer.
        null_products: Accepted rows without a product.
        null_ratings: Accepted rows without a star rating.
        null_titles: Accepted rows without a product title.
        one_shot: What is left with at least 5 rows a customer and 10 a product, counted once.
        k_core: What is left when that is repeated until nothing changes.
        customers: The planted customers, by what is planted.
        products: The planted products.
    """

    file: str
    rows: int
    accepted: int
    rejected: dict[str, int]
    null_customers: int
    null_products: int
    null_ratings: int
    null_titles: int
    one_shot: FilterTruth
    k_core: FilterTruth
    customers: dict[str, CastTruth]
    products: dict[str, CastTruth]


def category_truth(landing: Path, category: str) -> CategoryTruth:
    """Read `amazon_reviews/amazon_reviews_us_{category}_v1_00.tsv[.gz]`."""
    file = f"amazon_reviews/amazon_reviews_us_{category}_v1_00{SUFFIXES[category]}"
    data = (landing / file).read_bytes()
    lines = (gzip.decompress(data) if file.endswith(".gz") else data).removesuffix(b"\n")
    records = lines.split(b"\n")[1:]
    reasons = list(map(rejection, records))
    sound = [record for record, reason in zip(records, reasons, strict=True) if not reason]
    rows = [dict(zip(COLUMNS, text.decode().split("\t"), strict=True)) for text in sound]
    ratings = [Rating(row["customer_id"], row["product_id"], row["star_rating"]) for row in rows]
    once, core = one_shot(ratings), k_core(ratings)
    stages = (ratings, once, core)
    return CategoryTruth(
        file=file,
        rows=len(records),
        accepted=len(rows),
        rejected=dict(Counter(reason for reason in reasons if reason)),
        null_customers=sum(not rating.customer for rating in ratings),
        null_products=sum(not rating.product for rating in ratings),
        null_ratings=sum(not rating.stars for rating in ratings),
        null_titles=sum(not row["product_title"] for row in rows),
        one_shot=_filter_truth(once),
        k_core=_filter_truth(core),
        customers=_cast(CAST_CUSTOMERS, customer_id, stages, attrgetter("customer")),
        products=_cast(CAST_PRODUCTS, product_id, stages, attrgetter("product")),
    )


def rejection(record: bytes) -> str | None:
    """The reason to reject a record; None to accept it."""
    try:
        fields = record.decode().split("\t")
    except UnicodeDecodeError:
        return "undecodable"
    if len(fields) != len(COLUMNS):
        return "field_count"
    row = dict(zip(COLUMNS, fields, strict=True))
    if row["star_rating"] not in ("", *"12345"):
        return "bad_star_rating"
    return None if _is_date(row["review_date"]) else "bad_review_date"


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _filter_truth(ratings: Sequence[Rating]) -> FilterTruth:
    counts = Counter(rating.stars or "null" for rating in ratings)
    return FilterTruth(
        rows=len(ratings),
        users=len({rating.customer for rating in ratings}),
        items=len({rating.product for rating in ratings}),
        stars={stars: counts[stars] for stars in (*"12345", "null")},
    )


def _cast(
    cast: Mapping[str, int],
    written: Callable[[int], str],
    stages: Iterable[Sequence[Rating]],
    of: Callable[[Rating], str],
) -> dict[str, CastTruth]:
    counts = [Counter(map(of, ratings)) for ratings in stages]
    ids = {name: written(number) for name, number in cast.items()}
    return {name: CastTruth(key, *(count[key] for count in counts)) for name, key in ids.items()}
