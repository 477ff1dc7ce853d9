"""From the data of a record to the lines in it: JSON lines, plain or gzip.

A record that cannot be unpacked becomes one line that says why, so that whoever reads the lines
rejects it and keeps it. Records that Amazon's producer library has aggregated are told so: no
library that is looked after takes them apart in Python (`aws-kinesis-agg` is of 2022).
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, cast

from isal import isal_zlib

from pipeline_assets.streams.kinesis import Record

_GZIP: Final = b"\x1f\x8b"
_AGGREGATED: Final = b"\xf3\x89\x9a\xc2"
_WINDOW: Final = 31
"""zlib's word for a gzip header."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""A record that unfolds to more is not taken apart: Kinesis carries at most 10 MiB in one."""
_SHOWN_BYTES: Final = 1500
# The stub of isal declares its error as an instance.
_IsalError = cast(type[Exception], isal_zlib.IsalError)


@dataclass(frozen=True)
class Unpacked:
    """The lines of a record.

    Attributes:
        lines: Each of them holds something, and no line break.
        is_sound: Whether the record could be unpacked.
    """

    lines: tuple[bytes, ...]
    is_sound: bool = True


def unpacked(record: Record) -> Unpacked:
    """The lines in a record; of one that cannot be unpacked a line that says why."""
    if record.data.startswith(_AGGREGATED):
        return _refused(record, "is aggregated by the Kinesis Producer Library: switch that off")
    if not record.data.startswith(_GZIP):
        return Unpacked(_lines(record.data))
    try:
        return Unpacked(_lines(b"".join(_inflated(record.data))))
    except (_IsalError, EOFError) as error:
        return _refused(record, f"is no whole gzip ({error})")


def _inflated(data: bytes) -> Iterator[bytes]:
    """All members of a gzip, one behind the other."""
    left = MOST_BYTES
    while data:
        member = isal_zlib.decompressobj(wbits=_WINDOW)
        text = member.decompress(data, left + 1)
        if not member.eof:
            raise EOFError("it ends early, or unfolds to more than 64 MiB")
        left -= len(text)
        yield text
        data = member.unused_data.lstrip(b"\0")


def _lines(text: bytes) -> tuple[bytes, ...]:
    return tuple(_filled(text.split(b"\n")))


def _filled(lines: Iterable[bytes]) -> Iterator[bytes]:
    return (line for line in map(bytes.strip, lines) if line)


def _refused(record: Record, why: str) -> Unpacked:
    shown = base64.b64encode(record.data[:_SHOWN_BYTES]).decode()
    return Unpacked((f"Kinesis record {record.sequence} {why}: {shown}".encode(),), is_sound=False)
