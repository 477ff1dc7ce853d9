"""Listening-data landing files in the exact raw format, with genres planted.

The genres make the quality of embeddings measurable, the counts in `truth.json` everything else.
The shape follows public listening dumps: up to fifty artists per listener, popularity skewed inside
every genre, one or two favourite genres a listener, and far more plays for favourites than for what
was heard in passing.
"""

import csv
import json
import uuid
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from pipeline_assets.errors import PipelineError

USER_COLUMNS = ("user_id", "country", "total_scrobbles")
TOP_ARTIST_COLUMNS = ("user_id", "rank", "artist_name", "playcount", "mbid")
USERS_PER_SCALE = 500
ARTISTS_PER_SCALE = 400
GENRES_PER_ROOT_SCALE = 12
LONGEST_LIST = 50
FAMILIAR = 5
PASSING_SHARE = 0.35
CHUNK_USERS = 250

NULL_COUNTRIES = ("", "None", "null")
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
# Fixed users at every scale: countries so small that they are full of ties and lead lists by share.
TINY_COUNTRIES = {3: "Tuvalu", 7: "Tuvalu", 11: "Nauru"}
TINY_COUNTRY_PLAYCOUNT = 40
COUNTRIES = (*COUNTRY_SHARES, *dict.fromkeys(TINY_COUNTRIES.values()))

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
Row = tuple[object, ...]


class Fault(NamedTuple):
    """A planted fault: what a pipeline has to report, and how it spoils a sound row."""

    reason: str
    spoil: Callable[[Row], Row]


USER_FAULTS = (
    Fault("field_count", lambda row: (f"{row[0]}x",)),
    Fault("bad_user_id", lambda row: ("", *row[1:])),
)
TOP_ARTIST_FAULTS = (
    Fault("bad_artist_name", lambda row: (*row[:2], "", *row[3:])),
    Fault("field_count", lambda row: row[:2]),
    Fault("bad_playcount", lambda row: (*row[:3], "1,234", row[4])),
    Fault("bad_playcount", lambda row: (*row[:3], "-5", row[4])),
    Fault("bad_playcount", lambda row: (*row[:3], "", row[4])),
    Fault("bad_playcount", lambda row: (*row[:3], "abc", row[4])),
    Fault("unknown_user", lambda row: (f"ghost_{row[0]}", *row[1:])),
)
Faults = Sequence[Fault | None]


@dataclass(frozen=True)
class Leader:
    """The artist that leads a country's ranking, and its plays there."""

    artist_name: str
    total_playcount: int


@dataclass(frozen=True)
class SnapshotTruth:
    """What a correct pipeline finds in one snapshot.

    Attributes:
        users: rows of `users` that are sound.
        user_top_artists: rows of `user_top_artists` that are sound.
        null_countries: sound users whose country is written as nothing, `None` or `null`.
        rejected_users: spoilt rows of `users` by reason.
        rejected_user_top_artists: spoilt rows of `user_top_artists` by reason.
        artists: distinct artists among the sound rows.
        familiar_artists: those of them in the lists of at least five users.
        listeners: users with a sound row of top artists.
        country_artists: rows of both rankings, when no minimum of listeners is asked for.
        total_playcount: plays over all sound rows.
        leaders: first of every country's ranking.
    """

    users: int
    user_top_artists: int
    null_countries: int
    rejected_users: dict[str, int]
    rejected_user_top_artists: dict[str, int]
    artists: int
    familiar_artists: int
    listeners: int
    country_artists: int
    total_playcount: int
    leaders: dict[str, Leader]


@dataclass(frozen=True)
class MusicTruth:
    """The planted truth of a whole sample: the catalogue's size and each snapshot's counts."""

    artists: int
    genres: int
    snapshots: dict[str, SnapshotTruth]


@dataclass(frozen=True)
class Catalogue:
    """Artists laid out genre by genre, so that a genre is a stretch of the cumulative popularity.

    Every field has one entry per artist, except `edges`: where each genre's stretch begins, then
    where the last one ends.
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
    """A user, the artists heard most as places in the catalogue, and their plays, descending."""

    number: int
    country: str
    artists: Ints
    plays: Ints

    @property
    def user_id(self) -> str:
        """The name of the user in both tables."""
        return f"u{self.number:08d}"


class Part(NamedTuple):
    """What tells one file of a table from the next; every one is legal and common."""

    suffix: str
    encoding: str
    line_end: str


PARTS = (Part("", "utf-8-sig", "\n"), Part("_2", "utf-8", "\r\n"))


@dataclass(frozen=True)
class Table:
    """One open file of a table."""

    stream: TextIO
    line_end: str

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows in RFC 4180: fields quoted where needed, quotes doubled, line breaks kept."""
        csv.writer(self.stream, lineterminator=self.line_end).writerows(rows)


class Tally:
    """Counts what is planted in one snapshot, as a pipeline would find it."""

    def __init__(self, catalogue: Catalogue) -> None:
        shape = (len(COUNTRIES), len(catalogue.names))
        self.catalogue = catalogue
        self.plays = np.zeros(shape, dtype=np.int64)
        self.heard = np.zeros(shape, dtype=np.bool_)
        self.fans = np.zeros(len(catalogue.names), dtype=np.int64)
        self.users: Counter[str] = Counter()
        self.rows = 0
        self.listeners = 0
        self.rejected_users: Counter[str] = Counter()
        self.rejected_rows: Counter[str] = Counter()

    def add(self, listener: Listener, faults: Faults, user_fault: Fault | None) -> None:
        """Count a user, the row of each top artist, and the spoilt row beside the user's own."""
        sound = np.array([fault is None for fault in faults], dtype=np.bool_)
        country, artists = COUNTRIES.index(listener.country), listener.artists[sound]
        self.plays[country, artists] += listener.plays[sound]
        self.heard[country, artists] = True
        self.fans[artists] += 1
        self.users[listener.country] += 1
        self.rows += len(artists)
        self.listeners += bool(len(artists))
        self.rejected_rows.update(fault.reason for fault in faults if fault)
        self.rejected_users.update([user_fault.reason] if user_fault else [])

    def truth(self) -> SnapshotTruth:
        """Sum up."""
        named = [place for place, name in enumerate(COUNTRIES) if name not in NULL_COUNTRIES]
        return SnapshotTruth(
            users=self.users.total(),
            user_top_artists=self.rows,
            null_countries=sum(self.users[name] for name in NULL_COUNTRIES),
            rejected_users=dict(sorted(self.rejected_users.items())),
            rejected_user_top_artists=dict(sorted(self.rejected_rows.items())),
            artists=int((self.fans > 0).sum()),
            familiar_artists=int((self.fans >= FAMILIAR).sum()),
            listeners=self.listeners,
            country_artists=int(self.heard[named].sum()),
            total_playcount=int(self.plays.sum()),
            leaders={COUNTRIES[p]: self._leader(p) for p in named if self.heard[p].any()},
        )

    def _leader(self, country: int) -> Leader:
        best = self.plays[country].max()
        tied = np.flatnonzero(self.plays[country] == best)
        return Leader(min(self.catalogue.names[place] for place in tied), int(best))


def write_music(
    landing: Path,
    scale: float = 1.0,
    seed: int = 0,
    damage: float = 0.0,
    snapshots: Sequence[str] = ("2026-01-01",),
) -> MusicTruth:
    """Write the landing files `music/{snapshot}/*.csv`, and `music/genres.csv` and `truth.json`.

    Memory grows with artists x countries, never with users.

    Args:
        landing: the landing root; folders are made, files of an earlier call replaced.
        scale: 1 is 500 users and 400 artists; both grow in proportion, genres with its square root.
        seed: same arguments, same bytes. Users and artists stay the same from one snapshot to the
            next, plays differ.
        damage: share of the rows of either table that are spoilt so that a pipeline must notice.
        snapshots: ISO dates, one folder each.

    Returns:
        The planted truth, as also written to `truth.json`.

    Raises:
        PipelineError: a scale, share or date that makes no sense.
    """
    _check(scale, damage, snapshots)
    root = landing / "music"
    root.mkdir(parents=True, exist_ok=True)
    catalogue = make_catalogue(scale, seed)
    users = max(1, round(USERS_PER_SCALE * scale))
    truth = MusicTruth(
        artists=len(catalogue.names),
        genres=catalogue.genres,
        snapshots={s: _write_snapshot(root / s, catalogue, users, seed, damage) for s in snapshots},
    )
    _write_genres(root / "genres.csv", catalogue)
    text = json.dumps(asdict(truth), indent=2, ensure_ascii=False)
    (root / "truth.json").write_text(text, encoding="utf-8")
    return truth


def _check(scale: float, damage: float, snapshots: Sequence[str]) -> None:
    if not 0 < scale < float("inf"):
        raise PipelineError(f"scale is {scale}: give a number above 0, 1 being 500 users")
    if not 0 <= damage <= 1:
        raise PipelineError(f"damage is {damage}: give a share of rows from 0 to 1")
    for snapshot in snapshots:
        if not _is_iso_date(snapshot):
            raise PipelineError(f"snapshot {snapshot!r} is no date: write it as 2026-01-31")


def _is_iso_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def make_catalogue(scale: float, seed: int) -> Catalogue:
    """Artists with unique names, a genre each, and a popularity that falls off inside the genre."""
    random = np.random.default_rng([seed, 0])
    artists = max(20, round(ARTISTS_PER_SCALE * scale))
    genres = min(max(2, round(GENRES_PER_ROOT_SCALE * scale**0.5)), artists // 5)
    drawn = random.choice(genres, artists - genres, p=_falling(genres, 0.4))
    genre = np.sort(np.concatenate([np.arange(genres), drawn]))
    starts = np.searchsorted(genre, np.arange(genres + 1))
    place = np.arange(artists) - starts[genre]
    names = [artist_name(number) for number in random.permutation(artists).tolist()]
    cumulative = np.cumsum((place + 4.0) ** -0.8)
    edges = np.concatenate([[0.0], cumulative])[starts]
    return Catalogue(names, [_mbid(name) for name in names], genre, cumulative, edges)


def _falling(count: int, power: float) -> Floats:
    shares = np.arange(1.0, count + 1) ** -power
    return np.asarray(shares / shares.sum())


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
    """The listeners of a snapshot in order of their number, made a chunk at a time."""
    for first in range(0, users, CHUNK_USERS):
        numbers = np.arange(first, min(first + CHUNK_USERS, users))
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
        yield _listener(number, str(countries[place]), artists[order], heard[order])


def _artists_of(
    catalogue: Catalogue, favourites: Ints, length: int, random: np.random.Generator
) -> Ints:
    """Distinct artists: most from favourite genres, the rest from any, popular ones more often."""
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


def _listener(number: int, country: str, artists: Ints, plays: Ints) -> Listener:
    if number not in TINY_COUNTRIES:
        return Listener(number, country, artists, plays)
    return Listener(
        number, TINY_COUNTRIES[number], artists, np.full_like(plays, TINY_COUNTRY_PLAYCOUNT)
    )


def _write_genres(path: Path, catalogue: Catalogue) -> None:
    genres = (f"genre_{number:04d}" for number in catalogue.genre.tolist())
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = Table(stream, "\n")
        table.write([("artist_name", "genre")])
        table.write(zip(catalogue.names, genres, strict=True))


def _write_snapshot(
    folder: Path, catalogue: Catalogue, users: int, seed: int, damage: float
) -> SnapshotTruth:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, 3, zlib.crc32(folder.name.encode())])
    tally = Tally(catalogue)
    with ExitStack() as stack:
        parts = [_open_part(folder, part, stack) for part in PARTS]
        for listener in listeners(catalogue, users, seed, folder.name):
            user_table, top_table = parts[listener.number % len(parts)]
            faults = _faults(TOP_ARTIST_FAULTS, len(listener.artists), damage, random)
            (user_fault,) = _faults(USER_FAULTS, 1, damage, random)
            user_table.write(_user_rows(listener, user_fault))
            top_table.write(_top_artist_rows(listener, catalogue, faults))
            tally.add(listener, faults, user_fault)
    return tally.truth()


def _open_part(folder: Path, part: Part, stack: ExitStack) -> tuple[Table, Table]:
    users = _open(folder / f"users{part.suffix}.csv", part, stack)
    top_artists = _open(folder / f"user_top_artists{part.suffix}.csv", part, stack)
    users.write([USER_COLUMNS])
    top_artists.write([TOP_ARTIST_COLUMNS])
    return users, top_artists


def _open(path: Path, part: Part, stack: ExitStack) -> Table:
    stream = stack.enter_context(path.open("w", encoding=part.encoding, newline=""))
    return Table(stream, part.line_end)


def _faults(
    kinds: Sequence[Fault], rows: int, damage: float, random: np.random.Generator
) -> Faults:
    drawn = random.integers(0, len(kinds), rows).tolist()
    hit = random.random(rows) < damage
    return [kinds[kind] if spoilt else None for kind, spoilt in zip(drawn, hit, strict=True)]


def _user_rows(listener: Listener, fault: Fault | None) -> list[Row]:
    """The user's row; a fault is a row of its own, so that no top artist loses its user."""
    total = int(listener.plays.sum()) + listener.number % 97
    row = (listener.user_id, listener.country, total)
    return [row, fault.spoil(row)] if fault else [row]


def _top_artist_rows(listener: Listener, catalogue: Catalogue, faults: Faults) -> Iterator[Row]:
    heard = zip(listener.artists.tolist(), listener.plays.tolist(), faults, strict=True)
    for rank, (artist, plays, fault) in enumerate(heard, start=1):
        row = (listener.user_id, rank, catalogue.names[artist], plays, catalogue.mbids[artist])
        yield fault.spoil(row) if fault else row
