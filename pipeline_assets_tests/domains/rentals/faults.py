"""Thirty days of reviews, seven of which are broken in ways of their own."""

import csv
import io
from datetime import date, timedelta

from pipeline_assets_tests.domains.rentals.world import HEADER, World

FIRST = date(2026, 1, 1)


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def text(*rows: tuple[object, ...], header: tuple[str, ...] = HEADER) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([header, *rows])
    return file.getvalue().encode()


FAULTS: dict[int, tuple[bytes, str]] = {
    3: (b"", "is empty"),
    4: (text((1, "x", 5), header=("cid", "review", "score")), "lacks column review_str"),
    9: (b"\x1f\x8b not gzip at all", "is no whole gzip file"),
    16: (b'cid,"review_str\n', "has a broken header"),
    21: (text(header=("cid", "cid", "review_str")), "has column cid more than once"),
    22: (b"a" * (17 << 20), "has a line of over 16 MiB"),
    29: (text(header=("review_str",)), "lacks column cid"),
}


def land_days(world: World, days: int) -> None:
    """Every day has one review; those of :data:`FAULTS` cannot be read."""
    for number in range(days):
        path = world.land(day(number), (1, f"review of day {number}", 5))
        if number in FAULTS:
            path.write_bytes(FAULTS[number][0])
