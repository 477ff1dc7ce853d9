"""Who listens to what: artists with planted genres, and listeners with favourite genres.

The planted genres let a test measure embeddings: neighbours should share a genre. The shape follows
public dumps of listening data. A listener has up to fifty artists and one or two favourite genres.
A few artists of each genre are far more popular than the rest, and listeners play favourites far
more often than what they heard in passing.
"""

import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ARTISTS_PER_SCALE = 400
GENRES_PER_ROOT_SCALE = 12
LONGEST_LIST = 50
PASSING_SHARE = 0.35
CHUNK_USERS = 250

COUNTRY_SHARES = {
    "United States": 0.26,
    "United Kingdom": 0.14,
    "Brazil": 0.12,
    "Germany": 0.11,
    "Poland": 0.09,
    "Korea, Republic of": 0.07,
    "Japan": 0.07,
    "Côte d'Ivoire": 0.05,
    "Türkiye": 0.04,
    "": 0.02,
    "None": 0.02,
    "null": 0.01,
}
# The same users at every scale live in countries so small that most artists tie in play counts, and
# that their few artists lead the rankings by share of the country's plays.
TINY_COUNTRIES = {3: "Tuvalu", 7: "Tuvalu", 11: "Nauru"}
TINY_COUNTRY_PLAYCOUNT = 40

FIXED_NAMES = ("None", "null", "NaN", "1,234", "-5", '"', "'", "\\", "=1+1", "First\r\nSecond")
NAME_STYLES = (
    *("{}", "{}", "The {}", "{}", '"{}"', "{}", '{} "Live" Trio', "{}, the", "{}", "{}\nOrchestra"),
    *("{} & Söhne", "{}", "{} 東京", "{} 🎸", "{}; feat.", "עברית {}", "{}\\"),
)
SYLLABLES = (
    *("ka", "mi", "ro", "te", "su", "na", "le", "vo", "di", "pa"),
    *("gu", "she", "lin", "tor", "bel", "zan", "quo", "fy", "wer", "hum"),
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Catalogue:
    """Artists laid out genre by genre, so that a genre is a stretch of the cumulative popularity.

    Every field has one entry per artist, except `edges`, which holds where each genre's stretch
    begins and, last, where the last one ends.
    """

    names: list[str]
    mbids: list[str]
    genre: Ints
    cumulative: Floats
    edges: Floats

    @property
    def genres(self) -> int:
        """How many genres there are."""
        return len(self.edges) - 1


@dataclass(frozen=True)
class Listener:
    """A user with the places of the most played artists in the catalogue, most plays first."""

    number: int
    country: str
    artists: Ints
    plays: Ints

    @property
    def user_id(self) -> str:
        """How both tables identify the user."""
        return f"u{self.number:08d}"


def make_catalogue(scale: float, seed: int) -> Catalogue:
    """Create artists with unique names, one genre each, and a popularity within the genre."""
    random = np.random.default_rng([seed, 0])
    artists = max(20, round(ARTISTS_PER_SCALE * scale))
    genres = min(max(2, round(GENRES_PER_ROOT_SCALE * scale**0.5)), artists // 5)
    # Every genre gets one artist before the others are drawn, so that none is empty.
    shares = np.arange(1.0, genres + 1) ** -0.4
    drawn = random.choice(genres, artists - genres, p=shares / shares.sum())
    genre = np.sort(np.concatenate([np.arange(genres), drawn]))
    starts = np.searchsorted(genre, np.arange(genres + 1))
    place = np.arange(artists) - starts[genre]
    names = [artist_name(number) for number in random.permutation(artists).tolist()]
    cumulative = np.cumsum((place + 4.0) ** -0.8)
    edges = np.concatenate([[0.0], cumulative])[starts]
    return Catalogue(names, [_mbid(name) for name in names], genre, cumulative, edges)


def artist_name(number: int) -> str:
    """A name that is unique per number; some need quoting, some look like nulls or numbers."""
    if number % 31 == 30 and number // 31 < len(FIXED_NAMES):
        return FIXED_NAMES[number // 31]
    return NAME_STYLES[number % len(NAME_STYLES)].format(_spoken(number).title())


def _spoken(number: int) -> str:
    base = len(SYLLABLES)
    rest, place = divmod(number, base**3)
    mixed = place * 3571 % base**3  # coprime, so still one word per place
    word = "".join(SYLLABLES[mixed // base**power % base] for power in range(3))
    return f"{word} {_spoken(rest - 1)}" if rest else word


def _mbid(name: str) -> str:
    identifier = uuid.uuid5(uuid.NAMESPACE_OID, name)
    return "" if identifier.int % 5 == 0 else str(identifier)


def listeners(catalogue: Catalogue, users: int, seed: int, snapshot: str) -> Iterator[Listener]:
    """Draw the listeners of a snapshot, in order of their number and a chunk at a time."""
    for first in range(0, users, CHUNK_USERS):
        numbers = np.arange(first, min(first + CHUNK_USERS, users))
        # Each chunk has its own seed, so that its users do not depend on how many there are. What
        # people like has no snapshot in its seed, because tastes last and only plays change.
        people = np.random.default_rng([seed, 1, first])
        plays = np.random.default_rng([seed, 2, zlib.crc32(snapshot.encode()), first])
        yield from _chunk(catalogue, numbers, people, plays)


def _chunk(
    catalogue: Catalogue,
    numbers: Ints,
    people: np.random.Generator,
    plays: np.random.Generator,
) -> Iterator[Listener]:
    size = len(numbers)
    countries = people.choice(list(COUNTRY_SHARES), size, p=list(COUNTRY_SHARES.values()))
    favourites = people.integers(0, catalogue.genres, (size, 2))
    favourites[people.random(size) < 0.5, 1] = -1
    lengths = np.minimum(people.lognormal(3.2, 0.7, size), LONGEST_LIST).astype(np.int64)
    lengths = np.where(people.random(size) < 0.02, people.integers(0, 2, size), lengths)
    activity = people.lognormal(3.4, 1.0, size)
    for place, number in enumerate(numbers.tolist()):
        artists = _artists_of(catalogue, favourites[place], int(lengths[place]), people)
        liked = np.isin(catalogue.genre[artists], favourites[place])
        heard = _plays(liked, float(activity[place]), plays)
        order = np.lexsort((artists, -heard))
        country, heard = str(countries[place]), heard[order]
        if number in TINY_COUNTRIES:
            country, heard = TINY_COUNTRIES[number], np.full_like(heard, TINY_COUNTRY_PLAYCOUNT)
        yield Listener(number, country, artists[order], heard)


def _artists_of(
    catalogue: Catalogue, favourites: Ints, length: int, random: np.random.Generator
) -> Ints:
    """Draw distinct artists, most of them from favourite genres and popular ones more often."""
    tries = 3 * length
    genre = random.choice(favourites[favourites >= 0], tries)
    passing = random.random(tries) < PASSING_SHARE
    genre[passing] = random.integers(0, catalogue.genres, int(passing.sum()))
    edges = catalogue.edges
    aim = edges[genre] + random.random(tries) * (edges[genre + 1] - edges[genre])
    drawn = np.minimum(np.searchsorted(catalogue.cumulative, aim), len(catalogue.names) - 1)
    distinct, first_seen = np.unique(drawn, return_index=True)
    return np.asarray(distinct[np.argsort(first_seen)][:length])


def _plays(liked: NDArray[np.bool_], activity: float, random: np.random.Generator) -> Ints:
    spread = random.lognormal(0.0, 1.2, len(liked))
    return 1 + (activity * spread * np.where(liked, 3.0, 0.2)).astype(np.int64)
