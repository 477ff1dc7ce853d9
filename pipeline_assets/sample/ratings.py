"""Amazon review files in the exact raw format, at any scale, with a truth to compare with.

See `ratings_reviews` for what the data is like, `ratings_truth` for what a correct pipeline finds.
The format: tab-separated, a header, 15 columns, neither quote nor escape character, so that a bare
``"`` is data.
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from typing import BinaryIO, Final, TypeAlias, cast

from isal import igzip

from pipeline_assets.errors import PipelineError
from pipeline_assets.sample.ratings_reviews import COLUMNS, reviews
from pipeline_assets.sample.ratings_truth import CategoryTruth, Tally

CROWD_PER_SCALE: Final = {"Digital_Video_Download": 20_000, "Gift_Card": 6_000}
"""Rows of each category at scale 1, besides the cast's 212; the first category is gzipped."""

SUFFIXES: Final = {"Digital_Video_Download": ".tsv.gz", "Gift_Card": ".tsv"}

Fields: TypeAlias = tuple[str, ...]


def _line(fields: Fields) -> bytes:
    return ("\t".join(fields) + "\n").encode()


def _without_last(fields: Fields) -> bytes:
    return _line(fields[:-1])


def _in_latin_1(fields: Fields) -> bytes:
    return _with(fields, "review_headline", "Café").replace("é".encode(), "é".encode("latin-1"), 1)


def _with_stars_in_words(fields: Fields) -> bytes:
    return _with(fields, "star_rating", "six")


def _with_impossible_date(fields: Fields) -> bytes:
    return _with(fields, "review_date", "2015-02-30")


def _with(fields: Fields, column: str, value: str) -> bytes:
    place = COLUMNS.index(column)
    return _line((*fields[:place], value, *fields[place + 1 :]))


FAULTS: Final[Mapping[str, Callable[[Fields], bytes]]] = {
    "field_count": _without_last,
    "undecodable": _in_latin_1,
    "bad_star_rating": _with_stars_in_words,
    "bad_review_date": _with_impossible_date,
}
"""What a spoilt row may look like, by the reason it is rejected for."""


@dataclass(frozen=True)
class RatingsTruth:
    """The truth of a whole sample, by category."""

    categories: dict[str, CategoryTruth]


def write_ratings(
    landing: Path, scale: float = 1.0, seed: int = 0, damage: float = 0.0
) -> RatingsTruth:
    """Write `amazon_reviews/amazon_reviews_us_{category}_v1_00.tsv[.gz]` and their `truth.json`.

    Rows are written as they are drawn. What the truth needs to know of a row is kept: 17 bytes.

    Args:
        landing: The landing root; folders are made, files of an earlier call replaced.
        scale: 1 is about 20,000 rows in the first category and 6,000 in the second.
        seed: Same arguments, same bytes.
        damage: Share of the rows that are followed by a spoilt copy, each fault in turn. The sound
            rows are the same whatever the damage, and so is what the filters leave of them.

    Returns:
        The truth, as also written to `truth.json`.

    Raises:
        PipelineError: A scale or share that makes no sense.
    """
    _check(scale, damage)
    root = landing / "amazon_reviews"
    root.mkdir(parents=True, exist_ok=True)
    categories = {
        category: _write_category(root, category, round(per_scale * scale), seed, damage)
        for category, per_scale in CROWD_PER_SCALE.items()
    }
    truth = RatingsTruth(categories)
    (root / "truth.json").write_text(json.dumps(asdict(truth), indent=2), encoding="utf-8")
    return truth


def _check(scale: float, damage: float) -> None:
    if not 0 < scale < float("inf"):
        raise PipelineError(f"scale is {scale}: give a number above 0, 1 being 20,000 reviews")
    if not 0 <= damage <= 1:
        raise PipelineError(f"damage is {damage}: give a share of rows from 0 to 1")


def _write_category(
    root: Path, category: str, crowd_rows: int, seed: int, damage: float
) -> CategoryTruth:
    path = root / f"amazon_reviews_us_{category}_v1_00{SUFFIXES[category]}"
    tally = Tally()
    random = Random(f"{seed} {category} damage")  # noqa: S311 - nothing secret
    faults = cycle(FAULTS.items())
    with _replacing(path) as stream:
        stream.write(_line(COLUMNS))
        for review in reviews(category, crowd_rows, seed):
            stream.write(_line(review.fields))
            tally.add(review)
            if random.random() < damage:
                fault, spoil = next(faults)
                stream.write(spoil(review.fields))
                tally.rejected[fault] += 1
    return tally.truth(path.relative_to(root.parent).as_posix())


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name once it is whole; gzipped if its name says so."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as plain:
        if path.suffix == ".gz":
            # Without a name and a time in its header, the same content gives the same bytes.
            packed = igzip.IGzipFile("", "wb", fileobj=plain, mtime=0)  # type: ignore[no-untyped-call]
            with packed, io.BufferedWriter(cast(io.RawIOBase, packed), 1 << 20) as stream:
                yield cast(BinaryIO, stream)
        else:
            yield plain
    os.replace(part, path)
