"""Amazon review files in the exact raw format, at any scale.

`ratings_reviews` says what the reviews are like. The format is tab-separated with a header and 15
columns. It has neither a quote nor an escape character, so that a bare ``"`` is data.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from typing import BinaryIO, Final, TypeAlias, cast

from isal import igzip

from pipeline_assets.sample.arguments import check_arguments
from pipeline_assets.sample.ratings_reviews import COLUMNS, reviews

CROWD_PER_SCALE: Final = {"Digital_Video_Download": 20_000, "Gift_Card": 6_000}
"""Rows of each category at scale 1, besides the 212 planted ones."""

SUFFIXES: Final = {"Digital_Video_Download": ".tsv.gz", "Gift_Card": ".tsv"}

Fields: TypeAlias = tuple[str, ...]


def _line(fields: Fields) -> bytes:
    return ("\t".join(fields) + "\n").encode()


def _with(fields: Fields, column: str, value: str) -> bytes:
    place = COLUMNS.index(column)
    return _line((*fields[:place], value, *fields[place + 1 :]))


FAULTS: Final[Mapping[str, Callable[[Fields], bytes]]] = {
    "field_count": lambda fields: _line(fields[:-1]),
    "undecodable": lambda fields: _with(fields, "review_headline", "Café").replace(
        "é".encode(), "é".encode("latin-1"), 1
    ),
    "bad_star_rating": lambda fields: _with(fields, "star_rating", "six"),
    "bad_review_date": lambda fields: _with(fields, "review_date", "2015-02-30"),
}
"""How to spoil a row, by the reason that a pipeline must reject it for."""


def write_ratings(landing: Path, scale: float = 1.0, seed: int = 0, damage: float = 0.0) -> None:
    """Write `amazon_reviews/amazon_reviews_us_{category}_v1_00.tsv[.gz]`.

    Rows are written as they are drawn, so memory does not grow with the scale.

    Args:
        landing: The landing root; its folders are created, files of an earlier call replaced.
        scale: 1 is about 20,000 rows in the first category and 6,000 in the second.
        seed: Same arguments, same bytes.
        damage: Share of the rows that are followed by a spoilt copy, each fault in turn. The sound
            rows do not depend on the damage, nor does what the filters leave of them.

    Raises:
        PipelineError: The scale is not positive, or the damage is no share.
    """
    check_arguments(scale, damage, "20,000 reviews")
    root = landing / "amazon_reviews"
    root.mkdir(parents=True, exist_ok=True)
    for category, per_scale in CROWD_PER_SCALE.items():
        _write_category(root, category, round(per_scale * scale), seed, damage)


def _write_category(root: Path, category: str, crowd_rows: int, seed: int, damage: float) -> None:
    random = Random(f"{seed} {category} damage")  # noqa: S311 - nothing secret
    faults = cycle(FAULTS.values())
    with _created(root / f"amazon_reviews_us_{category}_v1_00{SUFFIXES[category]}") as stream:
        stream.write(_line(COLUMNS))
        for review in reviews(category, crowd_rows, seed):
            stream.write(_line(review.fields))
            if random.random() < damage:
                stream.write(next(faults)(review.fields))


@contextmanager
def _created(path: Path) -> Iterator[BinaryIO]:
    """A new file, gzipped if its name says so."""
    with path.open("wb") as plain:
        if path.suffix == ".gz":
            # Without a name and a time in its header, the same content gives the same bytes.
            packed = igzip.IGzipFile("", "wb", fileobj=plain, mtime=0)  # type: ignore[no-untyped-call]
            with packed, io.BufferedWriter(cast(io.RawIOBase, packed), 1 << 20) as stream:
                yield cast(BinaryIO, stream)
        else:
            yield plain
