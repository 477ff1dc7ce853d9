"""Amazon reviews: a planted cast amid a random crowd.

The filters must keep or drop each member of the cast for a known reason, at every scale. A dense
core of customers and products always stays. Around it stand customers with 4 and 5 rows, products
with 9 and 10 rows, and some that one pass of the filters keeps and repeated passes drop. The
crowd's customers and products follow power laws: a few have many rows, and most have one.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import islice
from itertools import product as pairs
from random import Random
from typing import Final, NamedTuple

COLUMNS: Final = (
    *("marketplace", "customer_id", "review_id", "product_id", "product_parent", "product_title"),
    *("product_category", "star_rating", "helpful_votes", "total_votes", "vine"),
    *("verified_purchase", "review_headline", "review_body", "review_date"),
)
"""The header of the published files."""

CORE: Final = range(1, 13)
CAST_CUSTOMERS: Final[Mapping[str, int]] = {
    "four": 21,
    "five": 22,
    "five_one_rare": 23,
    "five_repeats": 24,
    "five_with_duplicate": 25,
    "five_one_null_product": 26,
}
"""Numbers of planted customers, by how many rows they have and what is special about those."""

CAST_PRODUCTS: Final[Mapping[str, int]] = {
    "nine": 21,
    "ten": 22,
    "ten_one_rare": 23,
    "ten_one_null_customer": 24,
}
"""Numbers of planted products. "Rare" is a customer or product that has too few rows itself."""

CROWD: Final = 1_000
NULL_SHARE: Final = 0.002
REPEAT_SHARE: Final = 0.01
DUPLICATE_SHARE: Final = 0.002

_STARS = (5, 4, 3, 2, 1)
_STAR_WEIGHTS = (62, 18, 8, 4, 8)
_DATES = tuple((date(2000, 7, 2) + timedelta(days=n)).isoformat() for n in range(5_500))
_TITLE_STYLES = (
    "The {}",
    "{}: Season 2",
    "{} [HD]",
    'The "{}" Story',
    '12" {}',
    "{}, Vol. 1, Extended",
    "L'été de {}, Ünïcode",
    "{} 東京物語",
    "{} \\ Back\\slash",
    "{} 🎁 Card",
)
_NAMES = ("Harbour", "Lantern", "Meridian", "Orchard", "Quarry", "Sparrow", "Thistle", "Willow")
_HEADLINES = (
    *("Five Stars", "Great", 'Not "great"', "Meh…", '"', "", "Would buy again", "¡Excelente!"),
)
_SENTENCES = (
    "Loved every minute of it.",
    'My kids call it "the best one ever", and they are right.',
    "It stopped after ten minutes.<br /><br />I asked for my money back.",
    'The 42" screen makes a difference.',
    "Arrived on time, just as described; the recipient was delighted.",
    "C'était très bien, même la deuxième fois.",
    "とても面白かったです。",
    "Not what I expected, but fine for the price (and it was cheap).",
    '"Never again',
    "A path like C:\\new\\table is no escape.",
    "I have watched the first season three times now and still find something new in it.",
    "👍👍",
)


class Review(NamedTuple):
    """One row.

    Attributes:
        customer: Number of the customer, 0 if there is none.
        product: Number of the product, 0 if there is none.
        fields: What is written, in the order of `COLUMNS`.
    """

    customer: int
    product: int
    fields: tuple[str, ...]


def customer_id(customer: int) -> str:
    """The identifier that stands for a customer in the file."""
    return str(10_000_000 + customer) if customer else ""


def product_id(product: int) -> str:
    """The identifier that stands for a product in the file."""
    return f"B{product:09d}" if product else ""


def reviews(category: str, crowd_rows: int, seed: int) -> Iterator[Review]:
    """Yield the crowd's rows with the cast's rows spread among them."""
    random = Random(f"{seed} {category}")  # noqa: S311 - nothing secret
    writer = _Writer(category, random)
    cast = list(_cast_reviews(writer))
    every = max(1, crowd_rows // len(cast))
    waiting = iter(cast)
    for number, review in enumerate(_crowd_reviews(writer, crowd_rows, random)):
        yield review
        if number % every == 0:
            yield from islice(waiting, 1)
    yield from waiting


class _Writer:
    """Numbers the reviews of a category and draws their texts."""

    def __init__(self, category: str, random: Random) -> None:
        self._category = category
        self._random = random
        self._written = 0

    def write(self, customer: int, product: int, rated: bool = True, titled: bool = True) -> Review:
        """A new review."""
        self._written += 1
        stars = self._random.choices(_STARS, _STAR_WEIGHTS)[0] if rated else 0
        fields = (*self._thing(customer, product, titled), *self._opinion(stars))
        return Review(customer, product, fields)

    def _thing(self, customer: int, product: int, titled: bool) -> tuple[str, ...]:
        return (
            "US",
            customer_id(customer),
            f"R{self._written:013X}",
            product_id(product),
            str(100_000_000 + product),
            _title(product) if titled else "",
            self._category,
        )

    def _opinion(self, stars: int) -> tuple[str, ...]:
        random = self._random
        votes = int(1 / (random.random() + 0.01))
        return (
            str(stars or ""),
            str(votes // 2),
            str(votes),
            "N" if votes < 90 else "Y",
            "Y" if random.random() < 0.8 else "N",
            random.choice(_HEADLINES),
            " ".join(random.choices(_SENTENCES, k=1 + votes % 7)),
            random.choice(_DATES),
        )


def _title(product: int) -> str:
    name = f"{_NAMES[product % len(_NAMES)]} {product}"
    return _TITLE_STYLES[product % len(_TITLE_STYLES)].format(name)


def _cast_reviews(writer: _Writer) -> Iterator[Review]:
    yield from (writer.write(customer, product) for customer, product in _cast_pairs())
    once = writer.write(CAST_CUSTOMERS["five_with_duplicate"], CORE[3])
    yield from (once, once)
    yield writer.write(CORE[0], CORE[0], rated=False)
    yield writer.write(CORE[0], CORE[0], titled=False)


def _cast_pairs() -> Iterator[tuple[int, int]]:
    customers, products = CAST_CUSTOMERS, CAST_PRODUCTS
    yield from pairs(CORE, CORE)
    yield from pairs(CORE[:8], [products["nine"]])
    yield from pairs(CORE[:10], [products["ten"]])
    yield from pairs([*CORE[:9], customers["four"]], [products["ten_one_rare"]])
    yield from pairs([*CORE[:9], 0], [products["ten_one_null_customer"]])
    yield from pairs([customers["four"]], CORE[:3])
    yield from pairs([customers["five"]], CORE[:5])
    yield from pairs([customers["five_one_rare"]], [*CORE[:4], products["nine"]])
    yield from pairs([customers["five_repeats"]], [CORE[0]] * 5)
    yield from pairs([customers["five_with_duplicate"]], CORE[:3])
    yield from pairs([customers["five_one_null_product"]], [*CORE[:4], 0])


def _crowd_reviews(writer: _Writer, rows: int, random: Random) -> Iterator[Review]:
    customers, products = 20 + rows // 3, 20 + rows // 25
    last: Review | None = None
    for _ in range(rows):
        luck = random.random()
        if last and luck < DUPLICATE_SHARE:
            pass  # The last row is yielded again.
        elif last and luck < DUPLICATE_SHARE + REPEAT_SHARE:
            last = writer.write(last.customer, last.product)
        else:
            last = writer.write(
                _unless_null(random, CROWD + int(customers * random.random() ** 2)),
                _unless_null(random, CROWD + int(products * random.random() ** 3)),
                rated=random.random() >= NULL_SHARE,
                titled=random.random() >= NULL_SHARE,
            )
        yield last


def _unless_null(random: Random, number: int) -> int:
    return number if random.random() >= NULL_SHARE else 0
