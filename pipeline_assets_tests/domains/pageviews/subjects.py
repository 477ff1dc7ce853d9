"""Three hundred subjects with every odd case, and an independent table of what they lead to.

Each case is written out by hand as a pattern: the articles that a wiki has for it, the record of
the list, and what should come of it. Forty-three times seven patterns are 301 subjects.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline_assets.sample.wikipedia.articles import Article

Subject = tuple[str, str, str]
TIMES, PATTERNS = 43, 7


@dataclass(frozen=True)
class Case:
    """A record of a list, and what should come of it.

    Attributes:
        subject: Name, hint and handle.
        handle: The article; empty if there is none.
        how: How it is found, or the reason that it is not.
        titles: All titles that count for it.
        chain: The redirects on the way.
        articles: What the wiki has.
        chains: Redirects to redirects that the wiki has.
    """

    subject: Subject
    handle: str
    how: str
    titles: frozenset[str] = frozenset()
    chain: tuple[str, ...] = ()
    articles: tuple[Article, ...] = ()
    chains: dict[str, str] = field(default_factory=dict)


ODD_TITLES = ("AC/DC {}", "100% Wolf {}", "Zoë {}", "漢字 {}", "What? {}", "C++ {}", "Q&A {}")


def cases() -> Iterator[Case]:
    number = iter(range(1000, 10_000))
    for n in range(TIMES):
        yield _exact(n, next(number))
        yield _redirect(n, next(number))
        yield _moved(n, next(number))
        yield _suffix_of_ambiguous(n, next(number), next(number))
        yield _suffix_of_mismatch(n, next(number), next(number))
        yield _given(n, next(number))
        yield _rejected(n, next(number))


def _exact(n: int, number: int) -> Case:
    """The name is the title, be it as odd as it likes, or written with a small first letter."""
    title = ODD_TITLES[n % len(ODD_TITLES)].format(n) if n % 8 else f"IPhone {n}"
    name = title if n % 8 else f"iPhone {n}"
    article = Article(number, title, "A thing", ("Things",))
    return Case((name, "", ""), title, "exact", frozenset({title}), articles=(article,))


def _redirect(n: int, number: int) -> Case:
    """The name redirects, sometimes by way of another redirect."""
    article = Article(number, f"Mumbai {n}", "City in India", redirects=(f"Bombay {n}",))
    titles = {article.title, f"Bombay {n}"}
    if n % 3:
        only = frozenset(titles)
        return Case((f"Bombay {n}", "city", ""), article.title, "redirect", only,
                    (f"Bombay {n}",), (article,))  # fmt: skip
    long_ago = f"Bom Bahia {n}"
    return Case((long_ago, "", ""), article.title, "redirect", frozenset({*titles, long_ago}),
                (long_ago, f"Bombay {n}"), (article,), {long_ago: f"Bombay {n}"})  # fmt: skip


def _moved(n: int, number: int) -> Case:
    """A page that was moved keeps its number and leaves a redirect, and many others know it."""
    others = tuple(f"Twitter {n} by name {it}" for it in range(n % 3))
    article = Article(number, f"X {n}", "Service", redirects=(f"Twitter {n}", *others))
    titles = frozenset({article.title, *article.redirects})
    chain = (f"Twitter {n}",)
    return Case((f"Twitter {n}", "", ""), article.title, "redirect", titles, chain, (article,))


def _suffix_of_ambiguous(n: int, number: int, other: int) -> Case:
    """The name means several; the hint says which."""
    listing = Article(number, f"Mercury {n}", "Topics of that name", is_ambiguous=True)
    planet = Article(other, f"Mercury {n} (planet)", "First of the Sun", ("Planets",))
    subject = (f"Mercury {n}", "planet", "")
    return Case(subject, planet.title, "suffix", frozenset({planet.title}), (), (listing, planet))


def _suffix_of_mismatch(n: int, number: int, other: int) -> Case:
    """The name is somebody else's, or nobody's; the one meant has a suffix that redirects."""
    actor = Article(number, f"Jordan {n}", "American actor", ("Actors",))
    player = Article(
        other,
        f"Michael Jordan {n}",
        "American athlete",
        ("Basketball players",),
        (f"Jordan {n} (basketball)",),
    )
    titles = frozenset({player.title, *player.redirects})
    there = (actor, player) if n % 2 else (player,)
    subject = (f"Jordan {n}", "basketball", "")
    return Case(subject, player.title, "suffix", titles, player.redirects, there)


def _given(n: int, number: int) -> Case:
    """The list knows the handle, with underscores."""
    article = Article(number, f"Zürich {n} Airport", "Airport")
    subject = (f"The airport {n}", "of no use", article.title.replace(" ", "_"))
    return Case(subject, article.title, "given", frozenset({article.title}), (), (article,))


def _rejected(n: int, number: int) -> Case:
    """Everything that no article is found for."""
    other = Article(number, f"Other {n}", "American actor")
    several = Article(number, f"Several {n}", is_ambiguous=True)
    every = [
        Case((f"Nobody {n}", "", ""), "", "missing"),
        Case((f"Nobody {n}", "singer", ""), "", "missing"),
        Case((f"Some[{n}]", "", ""), "", "bad_name"),
        Case(("", f"hint {n}", ""), "", "missing_name"),
        Case((f"Somebody {n}", "", f"No|title {n}"), "", "bad_handle"),
        Case((f"Somebody {n}", "", f"Gone {n}"), "", "missing"),
        Case((several.title, "", ""), "", "ambiguous", articles=(several,)),
        Case((several.title, "planet", ""), "", "ambiguous", articles=(several,)),
        Case((other.title, "planet", ""), "", "mismatch", articles=(other,)),
        Case(("x" * 300 + str(n), "", ""), "", "bad_name"),
    ]
    return every[n % len(every)]
