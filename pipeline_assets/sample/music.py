"""Landing files of listening data in the exact raw format, at any scale.

`music_listeners` says who listens to what. Each snapshot has two files of every table, which differ
in what CSV leaves open: the byte order mark and the line ends. `genres.csv` is no input of the
pipeline; tests and benchmarks measure embeddings by the genres that were planted.
"""

import csv
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.arguments import check_arguments
from pipeline_assets.sample.music_listeners import Catalogue, Listener, listeners, make_catalogue

USER_COLUMNS = ("user_id", "country", "total_scrobbles")
TOP_ARTIST_COLUMNS = ("user_id", "rank", "artist_name", "playcount", "mbid")
USERS_PER_SCALE = 500

Row = tuple[object, ...]
WriteRows = Callable[[Iterable[Row]], object]


class Fault(NamedTuple):
    """A planted fault: the reason a pipeline must reject the row for, and how to spoil a row."""

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


class Part(NamedTuple):
    """How one file of a table differs from the other; both forms are legal and common."""

    suffix: str
    encoding: str
    line_end: str


PARTS = (Part("", "utf-8-sig", "\n"), Part("_2", "utf-8", "\r\n"))


def write_music(
    landing: Path,
    scale: float = 1.0,
    seed: int = 0,
    damage: float = 0.0,
    snapshots: Sequence[str] = ("2026-01-01",),
) -> None:
    """Write the landing files `music/{snapshot}/*.csv`, and `music/genres.csv`.

    Memory grows with artists, never with users.

    Args:
        landing: The landing root; its folders are created, files of an earlier call replaced.
        scale: 1 is 500 users and 400 artists; both grow in proportion, genres with its square root.
        seed: Same arguments, same bytes. Users and artists stay the same from one snapshot to the
            next, while their plays change.
        damage: Share of the rows of either table that are spoilt so that a pipeline must notice.
        snapshots: ISO dates, one folder each.

    Raises:
        PipelineError: The scale is not positive, the damage is no share, or a snapshot is no date.
    """
    check_arguments(scale, damage, "500 users")
    _check_dates(snapshots)
    root = landing / "music"
    root.mkdir(parents=True, exist_ok=True)
    catalogue = make_catalogue(scale, seed)
    users = max(1, round(USERS_PER_SCALE * scale))
    for snapshot in snapshots:
        _write_snapshot(root / snapshot, catalogue, users, seed, damage)
    _write_genres(root / "genres.csv", catalogue)


def _check_dates(snapshots: Sequence[str]) -> None:
    for snapshot in snapshots:
        try:
            # fromisoformat also reads 20260131, which is no partition key.
            is_date = date.fromisoformat(snapshot).isoformat() == snapshot
        except ValueError:
            is_date = False
        if not is_date:
            raise PipelineError(f"snapshot {snapshot!r} is no date: write it as 2026-01-31")


def _write_genres(path: Path, catalogue: Catalogue) -> None:
    genres = (f"genre_{number:04d}" for number in catalogue.genre.tolist())
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("artist_name", "genre"))
        writer.writerows(zip(catalogue.names, genres, strict=True))


def _write_snapshot(
    folder: Path, catalogue: Catalogue, users: int, seed: int, damage: float
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, 3, zlib.crc32(folder.name.encode())])
    with ExitStack() as stack:
        parts = [_open_part(folder, part, stack) for part in PARTS]
        for listener in listeners(catalogue, users, seed, folder.name):
            write_users, write_top_artists = parts[listener.number % len(parts)]
            faults = _faults(TOP_ARTIST_FAULTS, len(listener.artists), damage, random)
            (user_fault,) = _faults(USER_FAULTS, 1, damage, random)
            write_users(_user_rows(listener, user_fault))
            write_top_artists(_top_artist_rows(listener, catalogue, faults))


def _open_part(folder: Path, part: Part, stack: ExitStack) -> tuple[WriteRows, WriteRows]:
    return (
        _open(folder / f"users{part.suffix}.csv", USER_COLUMNS, part, stack),
        _open(folder / f"user_top_artists{part.suffix}.csv", TOP_ARTIST_COLUMNS, part, stack),
    )


def _open(path: Path, header: Row, part: Part, stack: ExitStack) -> WriteRows:
    stream = stack.enter_context(path.open("w", encoding=part.encoding, newline=""))
    writer = csv.writer(stream, lineterminator=part.line_end)
    writer.writerow(header)
    return writer.writerows


def _faults(
    kinds: Sequence[Fault], rows: int, damage: float, random: np.random.Generator
) -> Faults:
    drawn = random.integers(0, len(kinds), rows).tolist()
    hit = random.random(rows) < damage
    return [kinds[kind] if spoilt else None for kind, spoilt in zip(drawn, hit, strict=True)]


def _user_rows(listener: Listener, fault: Fault | None) -> list[Row]:
    """The user's row, and a spoilt copy of it if there is a fault.

    The sound row stays, because without it the user's artists would be rejected as well.
    """
    total = int(listener.plays.sum()) + listener.number % 97
    row = (listener.user_id, listener.country, total)
    return [row, fault.spoil(row)] if fault else [row]


def _top_artist_rows(listener: Listener, catalogue: Catalogue, faults: Faults) -> Iterator[Row]:
    heard = zip(listener.artists.tolist(), listener.plays.tolist(), faults, strict=True)
    for rank, (artist, plays, fault) in enumerate(heard, start=1):
        row = (listener.user_id, rank, catalogue.names[artist], plays, catalogue.mbids[artist])
        yield fault.spoil(row) if fault else row
