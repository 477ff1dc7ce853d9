"""Events of a rental shop's customers: as objects that Firehose would put, or one by one.

Customers come for a while, look for a film, view one or two, and rent some of what they view. The
objects hold JSON lines in a folder for each hour of the events.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

from isal import igzip

from pipeline_assets.sample.arguments import check_arguments
from pipeline_assets.sample.rental_rows import CUSTOMERS_PER_SCALE, END, FILMS_PER_SCALE

HOURS: Final = 4
"""How many hours before midnight the objects cover."""
EVENTS_PER_HOUR_PER_SCALE: Final = 400
_LONGEST_SECONDS: Final = 900

Event = dict[str, Any]

# What each fault does to an event. A repetition follows its original.
FAULTS: Final[Mapping[str, Callable[[Event], str]]] = {
    "repeated": json.dumps,
    "no_customer": lambda event: json.dumps({**event, "customer_id": None}),
    "unknown_kind": lambda event: json.dumps({**event, "kind": "look"}),
    "cut": lambda event: json.dumps(event)[:40],
}


@dataclass(frozen=True)
class Audience:
    """Who watches, and what.

    Attributes:
        customers: How many customers there are.
        films: How many films.
        name: Begins the identifiers of events, which must differ between samples.
    """

    customers: int
    films: int
    name: str

    def events(self, random: Random) -> Iterator[Event]:
        """Events without a time, one customer's visit after the other."""
        numbers = count(1)
        while True:
            customer = random.randint(1, self.customers)
            film = random.randint(1, self.films)
            for kind in _visit(random):
                yield {
                    "event_id": f"{self.name}-{next(numbers):09d}",
                    "customer_id": customer,
                    "film_id": None if kind == "search" else film,
                    "kind": kind,
                    "seconds": random.randint(5, _LONGEST_SECONDS) if kind == "view" else None,
                }


def write_activity(
    landing: Path, scale: float = 1.0, seed: int = 0, damage: float = 0.0, *, end: date = END
) -> None:
    """Write ``activity/{hour}/firehose-1.jsonl.gz`` for the last hours before a day.

    Args:
        landing: The landing root; its folders are created, files of an earlier call replaced.
        scale: 1 is some 400 events an hour.
        seed: Another seed gives other events.
        damage: Share of lines with a fault, of every kind in ``FAULTS``.
        end: The day after the events, UTC.

    Raises:
        PipelineError: The scale is not positive, or the damage is no share.
    """
    check_arguments(scale, damage, f"{EVENTS_PER_HOUR_PER_SCALE} events an hour")
    midnight = datetime(end.year, end.month, end.day, tzinfo=UTC)
    random = Random(f"activity {seed} {end}")  # noqa: S311 - no secret
    events = audience(scale, f"sample-{seed}-{end}").events(random)
    amount = max(round(EVENTS_PER_HOUR_PER_SCALE * scale), 1)
    for hours in range(HOURS, 0, -1):
        begin = midnight - timedelta(hours=hours)
        folder = landing / "activity" / f"{begin:%Y-%m-%dT%H}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = lines_of_hour(random, events, begin, amount, damage)
        text = "".join(f"{line}\n" for line in lines).encode()
        (folder / "firehose-1.jsonl.gz").write_bytes(igzip.compress(text, 1, mtime=0))


def audience(scale: float, name: str) -> Audience:
    """The customers and films of a shop of some scale; see :class:`Audience`."""
    customers, films = (
        max(round(each * scale), 1) for each in (CUSTOMERS_PER_SCALE, FILMS_PER_SCALE)
    )
    return Audience(customers, films, name)


def lines_of_hour(
    random: Random, events: Iterator[Event], begin: datetime, amount: int, damage: float
) -> Iterator[str]:
    """So many events of an hour as JSON; a share of them has a fault, or comes twice."""
    for place in range(amount):
        moment = begin + timedelta(hours=1) * (place / amount)
        event = {**next(events), "occurred_at": f"{moment:%Y-%m-%dT%H:%M:%S}Z"}
        fault = random.choice(list(FAULTS)) if random.random() < damage else ""
        if fault in ("", "repeated"):
            yield json.dumps(event)
        if fault:
            yield FAULTS[fault](event)


def _visit(random: Random) -> Iterator[str]:
    if random.random() < 0.4:
        yield "search"
    yield from ["click"] * random.randint(0, 2)
    yield "view"
    if random.random() < 0.3:
        yield "pause"
        yield "view"
    if random.random() < 0.25:
        yield "rent"
