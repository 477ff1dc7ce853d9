"""What a small encyclopaedia holds: articles, who redirects to them, and who looks at them when."""

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final, TypeAlias

SENTINEL: Final = "Main Page"
DAY: Final = timedelta(days=1)
_INVALID: Final = frozenset("#<>[]|{}")

Views: TypeAlias = Callable[[str, date], int]


@dataclass(frozen=True)
class Article:
    """A page.

    Attributes:
        page_id: Identifies it.
        title: With spaces and a capital first letter.
        description: One line about it.
        categories: What it belongs to.
        redirects: The titles that redirect to it; a moved page leaves its old title there.
        is_ambiguous: Whether it lists the pages that its title may mean.
    """

    page_id: int
    title: str
    description: str = ""
    categories: tuple[str, ...] = ()
    redirects: tuple[str, ...] = ()
    is_ambiguous: bool = False


def made_up_views(title: str, day: date) -> int:
    """Views that are always the same: more at weekends, and on one day in ten nobody comes."""
    digest = hashlib.sha256(f"{title}/{day}".encode()).digest()
    if title == SENTINEL:
        return 100_000 + digest[0]
    if digest[1] < 26:
        return 0
    size = 1 + hashlib.sha256(title.encode()).digest()[0]
    return size * (3 if day.weekday() > 4 else 2) + digest[2] % 16


@dataclass(frozen=True)
class Encyclopaedia:
    """All articles of a wiki, and the days that are loaded.

    Attributes:
        articles: The articles.
        loaded_until: The last day whose views are loaded.
        not_loaded: Days before it that have not come yet.
        views: How often somebody looked at a title on a day; a redirect has views of its own.
        chains: Redirects to redirects: title to the redirect that it leads to.
        project: Its name.
    """

    articles: tuple[Article, ...]
    loaded_until: date
    not_loaded: frozenset[date] = frozenset()
    views: Views = made_up_views
    chains: Mapping[str, str] = field(default_factory=dict)
    project: str = "en.wikipedia"

    def __post_init__(self) -> None:
        """Index the articles by title and number."""
        sentinel = Article(1, SENTINEL)
        by_title = {it.title: it for it in (sentinel, *self.articles)}
        object.__setattr__(self, "by_title", by_title)
        object.__setattr__(self, "by_id", {it.page_id: it for it in by_title.values()})
        led = {title: it.title for it in self.articles for title in it.redirects}
        object.__setattr__(self, "led", {**led, **self.chains})

    by_title: Mapping[str, Article] = field(init=False, repr=False)
    by_id: Mapping[int, Article] = field(init=False, repr=False)
    led: Mapping[str, str] = field(init=False, repr=False)

    @staticmethod
    def normal(title: str) -> str:
        """A title as the wiki writes it."""
        words = " ".join(title.replace("_", " ").split())
        return words[:1].upper() + words[1:]

    @staticmethod
    def is_title(title: str) -> bool:
        """Whether a text can be a title at all."""
        return bool(title) and not _INVALID & set(title)

    def steps(self, title: str) -> Iterator[tuple[str, str]]:
        """The redirects from a title to its article."""
        while title in self.led:
            yield title, self.led[title]
            title = self.led[title]

    def is_loaded(self, day: date) -> bool:
        """Whether the views of a day have come."""
        return day <= self.loaded_until and day not in self.not_loaded

    def seen(self, title: str, first: date, last: date) -> dict[date, int]:
        """The views of a title on the days that are loaded; a day without any is left out."""
        if title not in self.by_title and title not in self.led:
            return {}
        days = (first + number * DAY for number in range((last - first).days + 1))
        found = {day: self.views(title, day) for day in days if self.is_loaded(day)}
        return {day: views for day, views in found.items() if views}


_ABOUT: Final = (
    (
        "Michael Jordan",
        "American basketball player",
        ("Basketball players",),
        ("Air Jordan (man)",),
    ),
    ("Mercury (planet)", "First planet from the Sun", ("Planets",), ("Planet Mercury",)),
    ("Mumbai", "City in India", ("Cities",), ("Bombay",)),
    ("AC/DC", "Australian rock band", ("Rock bands",), ("ACDC",)),
    ("100% Wolf", "2020 animated film", ("Animated films",), ()),
    ("Beyoncé", "American singer", ("Singers",), ("Beyonce", "Beyoncé Knowles")),
    ("IPhone", "Line of smartphones", ("Smartphones",), ()),
    ("Zürich", "City in Switzerland", ("Cities",), ("Zurich",)),
)
SUBJECTS: Final = (
    ("Michael Jordan", "basketball", ""),
    ("Mercury", "planet", ""),
    ("Bombay", "", ""),
    ("AC/DC", "", ""),
    ("100% Wolf", "", ""),
    ("beyoncé", "", ""),
    ("iPhone", "", ""),
    ("The largest city of Switzerland", "", "Zürich"),
    ("Nobody of that name", "", ""),
)
"""Names, hints and handles of the sample's list."""


def sample_encyclopaedia(loaded_until: date) -> Encyclopaedia:
    """The articles that the sample's list asks for."""
    articles = [
        Article(100 + place, title, description, categories, redirects)
        for place, (title, description, categories, redirects) in enumerate(_ABOUT)
    ]
    ambiguous = Article(99, "Mercury", "Topics of that name", is_ambiguous=True)
    return Encyclopaedia((*articles, ambiguous), loaded_until)


def write_list(landing: Path, seed: int) -> None:
    """Write the sample's list, in an order of the seed."""
    path = landing / "pageviews" / "people_and_things" / "subjects.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    shuffled = random.Random(seed).sample(SUBJECTS, len(SUBJECTS))  # noqa: S311 - sample data
    path.write_text(subjects_csv(shuffled), encoding="utf-8")


def subjects_csv(subjects: Iterable[tuple[str, str, str]]) -> str:
    """A list as it is delivered."""
    lines = [",".join(f'"{field}"' for field in subject) for subject in subjects]
    return "\n".join(("name,hint,handle", *lines, ""))
