"""The lines in a record's data."""

import gzip
from datetime import timedelta

import pytest

from pipeline_assets.streams.kinesis import Records
from pipeline_assets.streams.unpacking import unpacked
from pipeline_assets_tests.doubles.kinesis import START


def lines(data: bytes) -> tuple[bytes, ...]:
    return tuple(unpacked(Records(["17"], [data], [START])).lines)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": 1}', (b'{"a": 1}',)),
        (b'{"a": 1}\n{"a": 2}\n', (b'{"a": 1}', b'{"a": 2}')),
        (b'{"a": 1}\r\n\r\n  \n', (b'{"a": 1}',)),
        (gzip.compress(b"one\ntwo"), (b"one", b"two")),
        (gzip.compress(b"one\n") + gzip.compress(b"two"), (b"one", b"two")),
        (b"", ()),
    ],
    # Compressed bytes hold the time, and two processes that share tests must agree on names.
    ids=["one", "two", "blank", "gzip", "gzips", "empty"],
)
def test_records_hold_lines_plain_or_gzipped(data: bytes, expected: tuple[bytes, ...]) -> None:
    assert lines(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"one" * 100)[:-9], b"is no whole gzip"),
        (b"\x1f\x8bjunk", b"is no whole gzip"),
        (gzip.compress(bytes(70_000_000), 1), b"more than 64 MiB"),
        (b"\xf3\x89\x9a\xc2protobuf", b"aggregated by the Kinesis Producer Library"),
    ],
    ids=["cut", "junk", "bomb", "aggregated"],
)
def test_a_record_that_cannot_be_unpacked_is_a_line_that_says_why(
    data: bytes, reason: bytes
) -> None:
    (line,) = lines(data)
    assert line.startswith(b"Kinesis record 17 ")
    assert reason in line
    assert unpacked(Records(["17"], [data], [START])).unreadable == 1


def test_every_line_has_the_arrival_of_its_record() -> None:
    later = START + timedelta(hours=1)
    found = unpacked(Records(["1", "2"], [b"one\ntwo", b'{"a": 1}'], [START, later]))
    assert found.arrived == [START, START, later]
