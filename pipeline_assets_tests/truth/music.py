"""What a correct pipeline finds in a snapshot of listening data."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pipeline_assets.sample.music import TOP_ARTIST_COLUMNS, USER_COLUMNS

NULL_COUNTRIES: Final = ("", "<na>", "nan", "none", "null")
"""In small letters."""


@dataclass(frozen=True)
class Leader:
    """The artist that leads a country's ranking, and its plays there."""

    artist_name: str
    total_playcount: int


@dataclass(frozen=True)
class SnapshotTruth:
    """What a correct pipeline finds in one snapshot.

    Attributes:
        users: Rows of `users` that are sound.
        user_top_artists: Rows of `user_top_artists` that are sound.
        null_countries: Sound users whose country says that there is none, however it is written.
        rejected_users: Spoilt rows of `users` by reason.
        rejected_user_top_artists: Spoilt rows of `user_top_artists` by reason.
        artists: Distinct artists among the sound rows.
        listeners: Users with a sound row of top artists.
        country_artists: Rows of both rankings, when no minimum of listeners is asked for.
        total_playcount: Plays over all sound rows.
        leaders: First of every country's ranking.
    """

    users: int
    user_top_artists: int
    null_countries: int
    rejected_users: dict[str, int]
    rejected_user_top_artists: dict[str, int]
    artists: int
    listeners: int
    country_artists: int
    total_playcount: int
    leaders: dict[str, Leader]


def rows_of(landing: Path, table: str, snapshot: str) -> list[list[str]]:
    """Rows of all files of a table, without their headers."""
    found = []
    for path in sorted((landing / "music" / snapshot).glob(f"{table}*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as stream:
            found += list(csv.reader(stream, strict=True))[1:]
    return found


def user_rejection(row: Sequence[object]) -> str | None:
    """The reason to reject a row of users; None to accept it."""
    if len(row) != len(USER_COLUMNS):
        return "field_count"
    return None if row[0] else "bad_user_id"


def top_artist_rejection(users: Container[object], row: Sequence[object]) -> str | None:
    """The reason to reject a row of top artists; None to accept it.

    Args:
        users: Identifiers of the accepted users.
        row: Its fields.
    """
    if len(row) != len(TOP_ARTIST_COLUMNS):
        return "field_count"
    user, _, artist, plays, _ = row
    if user not in users:
        return "unknown_user"
    if not artist:
        return "bad_artist_name"
    return None if str(plays).isdecimal() else "bad_playcount"


def snapshot_truth(landing: Path, snapshot: str) -> SnapshotTruth:
    """Read `music/{snapshot}/users*.csv` and `user_top_artists*.csv`."""
    everyone, rejected_users = _judged(rows_of(landing, "users", snapshot), user_rejection)
    users = {row[0]: row[1] for row in everyone}
    top_artists, rejected_top_artists = _judged(
        rows_of(landing, "user_top_artists", snapshot), partial(top_artist_rejection, users)
    )
    plays: dict[str, Counter[str]] = defaultdict(Counter)
    for user, _, artist, count, _ in top_artists:
        if users[user].lower() not in NULL_COUNTRIES:
            plays[users[user]][artist] += int(count)
    return SnapshotTruth(
        users=len(users),
        user_top_artists=len(top_artists),
        null_countries=sum(country.lower() in NULL_COUNTRIES for country in users.values()),
        rejected_users=rejected_users,
        rejected_user_top_artists=rejected_top_artists,
        artists=len({row[2] for row in top_artists}),
        listeners=len({row[0] for row in top_artists}),
        country_artists=sum(map(len, plays.values())),
        total_playcount=sum(int(row[3]) for row in top_artists),
        leaders={
            country: Leader(*min(artists.items(), key=lambda item: (-item[1], item[0])))
            for country, artists in plays.items()
        },
    )


def _judged(
    rows: list[list[str]], rejection: Callable[[Sequence[object]], str | None]
) -> tuple[list[list[str]], dict[str, int]]:
    """Accepted rows, and how many are rejected by reason."""
    reasons = [rejection(row) for row in rows]
    accepted = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    return accepted, dict(Counter(reason for reason in reasons if reason))
