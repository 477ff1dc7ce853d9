"""What a correct pipeline makes of generated reviews, computed in plain Python."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pipeline_assets.sample.ratings_reviews import (
    CAST_CUSTOMERS,
    CAST_PRODUCTS,
    Review,
    customer_id,
    product_id,
)

Numbers: TypeAlias = "array[int]"

CUSTOMER_ROWS: Final = 5
PRODUCT_ROWS: Final = 10


@dataclass(frozen=True)
class Ratings:
    """Who rated what with how many stars, one entry per row; 0 is null."""

    customers: Numbers = field(default_factory=lambda: array("q"))
    products: Numbers = field(default_factory=lambda: array("q"))
    stars: Numbers = field(default_factory=lambda: array("b"))

    def __len__(self) -> int:
        return len(self.stars)

    def add(self, customer: int, product: int, stars: int) -> None:
        """Append a row."""
        self.customers.append(customer)
        self.products.append(product)
        self.stars.append(stars)

    def select(self, rows: Iterable[int]) -> "Ratings":
        """Some of the rows."""
        chosen = Ratings()
        for row in rows:
            chosen.add(self.customers[row], self.products[row], self.stars[row])
        return chosen


def one_shot(
    ratings: Ratings, customer_rows: int = CUSTOMER_ROWS, product_rows: int = PRODUCT_ROWS
) -> Ratings:
    """Rows whose customer and whose product have enough rows, both counted in all rows given.

    Rows without a customer or product count for the other one, then drop.
    """
    customers, products = Counter(ratings.customers), Counter(ratings.products)
    return ratings.select(
        row
        for row, (customer, product) in enumerate(
            zip(ratings.customers, ratings.products, strict=True)
        )
        if customer and customers[customer] >= customer_rows
        if product and products[product] >= product_rows
    )


def k_core(
    ratings: Ratings, customer_rows: int = CUSTOMER_ROWS, product_rows: int = PRODUCT_ROWS
) -> Ratings:
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
        rejected: The others, by planted fault.
        null_customers: Accepted rows without a customer.
        null_products: Accepted rows without a product.
        null_ratings: Accepted rows without a star rating.
        null_titles: Accepted rows without a product title.
        duplicates: Accepted rows equal in every column to another, earlier one.
        repeats: Accepted rows whose customer and product have an earlier row, duplicates included.
        stars: Accepted rows by stars or `null`.
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
    duplicates: int
    repeats: int
    stars: dict[str, int]
    one_shot: FilterTruth
    k_core: FilterTruth
    customers: dict[str, CastTruth]
    products: dict[str, CastTruth]


@dataclass
class Tally:
    """Counts reviews as they are written."""

    ratings: Ratings = field(default_factory=Ratings)
    rejected: Counter[str] = field(default_factory=Counter)
    null_titles: int = 0
    duplicates: int = 0

    def add(self, review: Review) -> None:
        """Count a sound review."""
        self.ratings.add(review.customer, review.product, review.stars)
        self.null_titles += not review.titled
        self.duplicates += review.duplicate

    def truth(self, file: str) -> CategoryTruth:
        """Sum up."""
        everything = self.ratings
        once, core = one_shot(everything), k_core(everything)
        return CategoryTruth(
            file=file,
            rows=len(everything) + self.rejected.total(),
            accepted=len(everything),
            rejected=dict(sorted(self.rejected.items())),
            null_customers=everything.customers.count(0),
            null_products=everything.products.count(0),
            null_ratings=everything.stars.count(0),
            null_titles=self.null_titles,
            duplicates=self.duplicates,
            repeats=_repeats(everything),
            stars=_by_stars(everything),
            one_shot=_filter_truth(once),
            k_core=_filter_truth(core),
            customers=_cast(
                CAST_CUSTOMERS, customer_id, *(r.customers for r in (everything, once, core))
            ),
            products=_cast(
                CAST_PRODUCTS, product_id, *(r.products for r in (everything, once, core))
            ),
        )


def _filter_truth(ratings: Ratings) -> FilterTruth:
    return FilterTruth(
        rows=len(ratings),
        users=len(set(ratings.customers)),
        items=len(set(ratings.products)),
        stars=_by_stars(ratings),
    )


def _by_stars(ratings: Ratings) -> dict[str, int]:
    counts = Counter(ratings.stars)
    return {"null" if stars == 0 else str(stars): counts[stars] for stars in (1, 2, 3, 4, 5, 0)}


def _repeats(ratings: Ratings) -> int:
    pairs = zip(ratings.customers, ratings.products, strict=True)
    counts = Counter(pair for pair in pairs if all(pair))
    return counts.total() - len(counts)


def _cast(
    cast: Mapping[str, int],
    written: Callable[[int], str],
    rows: Numbers,
    once: Numbers,
    core: Numbers,
) -> dict[str, CastTruth]:
    return {
        name: CastTruth(written(number), *(found.count(number) for found in (rows, once, core)))
        for name, number in cast.items()
    }
