"""Rows of a film rental shop: customers with habits, films, and a payment for every rental.

Customers who rent little stay with one category, and customers who rent much change categories, so
that `viewing_similarity` falls with activity. Every day has a payment in its first and one in its
last microsecond, so that a window which is one microsecond off loses or repeats a payment.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.errors import PipelineError

Ints: TypeAlias = npt.NDArray[np.int64]

END: Final = date(2026, 1, 1)
DAYS: Final = 28
"""How many days before `END` the samples cover."""

CUSTOMERS_PER_SCALE: Final = 600
FILMS_PER_SCALE: Final = 200
PAYMENTS_PER_DAY_PER_SCALE: Final = 180
FIRST_PAYMENT: Final = 16_050
"""Payments and rentals have different numbers, as in dvdrental, so that a wrong join is noticed."""
DAY_MICROSECONDS: Final = 86_400_000_000

CATEGORIES: Final = (
    "Action Animation Children Classics Comedy Documentary Drama Family Foreign Games Horror "
    "Music New Sci-Fi Sports Travel"
)
FIRST_NAMES: Final = "Ada Ben Chiara Dmitri Elif Farid Greta Hugo Ines Jun Kofi Lena Mateo Nia"
LAST_NAMES: Final = "Okafor Rossi Schmidt Tanaka Unger Vargas Weber Xu Yilmaz Zimmer Alvarez Blanc"
TITLE_STARTS: Final = (
    "Amber Broken Crimson Distant Electric Forgotten Golden Hidden Iron Jade Last Midnight "
    "Northern Open Paper Quiet Restless Silver Twisted Velvet Wandering Young"
)
TITLE_ENDS: Final = (
    "Anchor Bridge Carnival Desert Empire Falcon Garden Harbour Island Journey Kingdom Lantern "
    "Mirror Night Orchard Promise River Storm Train Voyage Winter"
)
PRICES: Final = ("0.00", "0.99", "1.99", "2.99", "3.98", "4.99", "5.99", "6.99", "8.97", "11.99")
PRICE_WEIGHTS: Final = (2, 16, 8, 22, 1, 26, 11, 8, 4, 2)
WEEKDAYS: Final = (0.8, 0.8, 0.9, 1.0, 1.3, 1.5, 1.2)

_ARROW_TYPES: Final = {
    "int": pa.int32(),
    "small": pa.int16(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "money": pa.decimal128(5, 2),
    "time": pa.timestamp("us"),
}
_COLUMNS: Final = {
    "category": "category_id int, name text",
    "customer": "customer_id int, store_id small, first_name text, last_name text, email text, "
    "activebool bool, create_date date",
    "film": "film_id int, title text, rental_duration small, length small",
    "film_category": "film_id small, category_id small",
    "inventory": "inventory_id int, film_id int, store_id small",
    "rental": "rental_id int, inventory_id int, customer_id int, staff_id small",
    "payment": "payment_id int, customer_id int, staff_id small, rental_id int, amount money, "
    "payment_date time",
}
SCHEMAS: Final = {
    table: pa.schema([(n, _ARROW_TYPES[t]) for n, t in map(str.split, columns.split(", "))])
    for table, columns in _COLUMNS.items()
}


@dataclass(frozen=True)
class Day:
    """The payments of one day, in the order of time; arrays have one entry per payment.

    Attributes:
        date: The UTC day.
        first: How many payments there were on the days before.
        customers: Who paid.
        inventories: Which copy of a film was rented.
        prices: How much was paid, as an index of ``PRICES``.
        times: When, in microseconds since midnight.
    """

    date: date
    first: int
    customers: Ints
    inventories: Ints
    prices: Ints
    times: Ints

    @property
    def payments(self) -> pa.RecordBatch:
        """Rows of ``payment``."""
        count = len(self.customers)
        rentals = np.arange(self.first + 1, self.first + count + 1)
        midnight = (self.date - date(1970, 1, 1)).days * DAY_MICROSECONDS
        amounts = pa.array([Decimal(price) for price in PRICES], pa.decimal128(5, 2))
        columns = [
            rentals + FIRST_PAYMENT - 1,
            self.customers,
            rentals % 2 + 1,
            rentals,
            pc.take(amounts, pa.array(self.prices)),
            midnight + self.times,
        ]
        return _rows("payment", columns)

    @property
    def rentals(self) -> pa.RecordBatch:
        """Rows of ``rental``."""
        numbers = np.arange(self.first + 1, self.first + len(self.customers) + 1)
        return _rows("rental", [numbers, self.inventories, self.customers, numbers % 2 + 1])


@dataclass(frozen=True)
class Shop:
    """A rental shop over some days; the same arguments give the same rows.

    Attributes:
        scale: 1 is 600 customers and some 190 payments a day. Memory grows with customers and
            films, not with days.
        seed: Another seed gives another shop of the same size.
        end: The day after the last one, UTC.
        days: How many days there are.

    Raises:
        PipelineError: The scale or the number of days is not positive.
    """

    scale: float
    seed: int
    end: date
    days: int

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.days > 0):
            raise PipelineError(f"scale and days must be above 0, not {self.scale} and {self.days}")

    @property
    def customer_count(self) -> int:
        """How many customers there are, numbered from 1."""
        return max(12, round(CUSTOMERS_PER_SCALE * self.scale))

    @property
    def film_count(self) -> int:
        """How many films there are, numbered from 1; ``film_category`` has room for 16 bits."""
        return min(30_000, max(48, round(FILMS_PER_SCALE * self.scale)))

    @cached_property
    def titles(self) -> list[str]:
        """The films' titles, all different."""
        starts, ends = TITLE_STARTS.split(), TITLE_ENDS.split()
        order = self._rng("titles").permutation(self.film_count).tolist()
        return [_title(number, starts, ends) for number in order]

    @cached_property
    def inventory_films(self) -> Ints:
        """The film of every copy, category by category; a film has 1 to 7 copies."""
        films = np.arange(1, self.film_count + 1)
        by_category = films[np.argsort(_category(films), kind="stable")]
        return np.repeat(by_category, self._rng("copies").integers(1, 8, self.film_count))

    @cached_property
    def counts(self) -> Ints:
        """Payments of every day; at least four."""
        return np.array([self._count(self.date(n)) for n in range(self.days)], np.int64)

    def _count(self, day: date) -> int:
        usual = PAYMENTS_PER_DAY_PER_SCALE * self.scale * WEEKDAYS[day.weekday()]
        return max(4, int(self._rng(f"count {day}").poisson(usual)))

    def date(self, number: int) -> date:
        """The date of a day by its number, from 0."""
        return self.end - timedelta(days=self.days - number)

    def day(self, number: int) -> Day:
        """The payments of a day by its number, from 0."""
        # By the date, so that a shop that is open for longer has had the same days before.
        rng, count = self._rng(f"day {self.date(number)}"), int(self.counts[number])
        # The square lets the first customers pay most often.
        customers = 1 + (rng.random(count) ** 2 * self.customer_count).astype(np.int64)
        prices = rng.choice(len(PRICES), count, p=np.array(PRICE_WEIGHTS) / sum(PRICE_WEIGHTS))
        times = np.sort((rng.beta(4, 2, count) * DAY_MICROSECONDS).astype(np.int64))
        times[0], times[-1] = 0, DAY_MICROSECONDS - 1
        first = int(self.counts[:number].sum())
        chosen = self._choose(rng, customers)
        return Day(self.date(number), first, customers, chosen, prices.astype(np.int64), times)

    def masters(self) -> dict[str, pa.RecordBatch]:
        """Rows of the tables that do not grow from day to day."""
        films = np.arange(1, self.film_count + 1)
        copies = np.arange(1, len(self.inventory_films) + 1)
        names = CATEGORIES.split()
        return {
            "category": _rows("category", [np.arange(1, len(names) + 1), names]),
            "customer": self._customers(),
            "film": _rows("film", [films, self.titles, films % 5 + 3, 60 + films * 7 % 120]),
            "film_category": _rows("film_category", [films, _category(films)]),
            "inventory": _rows("inventory", [copies, self.inventory_films, copies % 2 + 1]),
        }

    def _choose(self, rng: np.random.Generator, customers: Ints) -> Ints:
        """Draw copies: the less a customer rents, the more often from a favourite category."""
        count = len(CATEGORIES.split())
        edges = np.searchsorted(_category(self.inventory_films), np.arange(1, count + 2))
        favourite = customers * 7 % count
        loyal = rng.random(len(customers)) < 0.1 + 0.7 * customers / self.customer_count
        starts = np.where(loyal, edges[favourite], 0)
        ends = np.where(loyal, edges[favourite + 1], edges[-1])
        return 1 + rng.integers(starts, ends)

    def _customers(self) -> pa.RecordBatch:
        numbers = range(1, self.customer_count + 1)
        firsts, lasts = FIRST_NAMES.split(), LAST_NAMES.split()
        first = [firsts[n % len(firsts)] for n in numbers]
        last = [lasts[n // len(firsts) % len(lasts)] for n in numbers]
        mails = [f"{a}.{b}.{n}@example.org" for n, a, b in zip(numbers, first, last, strict=True)]
        active = [n % 25 != 0 for n in numbers]
        since = [self.date(0)] * self.customer_count
        columns = [list(numbers), [n % 2 + 1 for n in numbers], first, last]
        return _rows("customer", [*columns, [m.lower() for m in mails], active, since])

    def _rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for every purpose, so that one draw more shifts no other."""
        return np.random.default_rng([self.seed, *purpose.encode()])


def _category(films: Ints) -> Ints:
    return films * 5 % len(CATEGORIES.split()) + 1


def _title(number: int, starts: list[str], ends: list[str]) -> str:
    turn, name = divmod(number, len(starts) * len(ends))
    title = f"{starts[name % len(starts)]} {ends[name // len(starts)]}"
    return title if not turn else f"{title} {turn + 1}"


def _rows(table: str, columns: list[object]) -> pa.RecordBatch:
    schema = SCHEMAS[table]
    arrays = [
        pa.array(column).cast(kind) for column, kind in zip(columns, schema.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
