"""From the data of a record to the lines in it: JSON lines, plain or gzip.

A record that cannot be unpacked becomes one line that says why, so that whoever reads the lines
rejects it and keeps it. Records that Amazon's producer library has aggregated are told so: no
library that is looked after takes them apart in Python (`aws-kinesis-agg` is of 2022).
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from isal import isal_zlib

from pipeline_assets.streams.kinesis import Records

_GZIP: Final = b"\x1f\x8b"
_AGGREGATED: Final = b"\xf3\x89\x9a\xc2"
_WINDOW: Final = 31
"""zlib's word for a gzip header."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""A record that unfolds to more is not taken apart: Kinesis carries at most 10 MiB in one."""
_SHOWN_BYTES: Final = 1500
# The stub of isal declares its error as an instance.
_IsalError = cast(type[Exception], isal_zlib.IsalError)


class _UnreadableError(Exception):
    """Why a record cannot be unpacked."""


@dataclass
class Unpacked:
    """The lines of some records.

    Attributes:
        lines: Each of them holds something, and no line break.
        arrived: When the record of each line came.
        unreadable: How many records could not be unpacked; each is a line that says why.
    """

    lines: list[bytes] = field(default_factory=list)
    arrived: list[datetime] = field(default_factory=list)
    unreadable: int = 0


def unpacked(records: Records) -> Unpacked:
    """The lines in records; of one that cannot be unpacked a line that says why."""
    found = Unpacked()
    for place, data in enumerate(records.data):
        if data.startswith(b"{") and b"\n" not in data:  # Most records are one event.
            lines: Sequence[bytes] = (data,)
        else:
            try:
                lines = list(_lines(data))
            except _UnreadableError as error:
                lines = [_refusal(records.sequences[place], data, error)]
                found.unreadable += 1
        found.lines += lines
        found.arrived += [records.arrived[place]] * len(lines)
    return found


def _lines(data: bytes) -> Iterator[bytes]:
    """The lines of a record that hold something.

    Raises:
        _UnreadableError: They cannot be unpacked.
    """
    if data.startswith(_AGGREGATED):
        raise _UnreadableError("is aggregated by the Kinesis Producer Library: switch that off")
    text = _inflated_whole(data) if data.startswith(_GZIP) else data
    return filter(None, map(bytes.strip, text.split(b"\n")))


def _inflated_whole(data: bytes) -> bytes:
    try:
        return b"".join(_inflated(data))
    except (_IsalError, EOFError) as error:
        raise _UnreadableError(f"is no whole gzip ({error})") from error


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


def _refusal(sequence: str, data: bytes, why: Exception) -> bytes:
    shown = base64.b64encode(data[:_SHOWN_BYTES]).decode()
    return f"Kinesis record {sequence} {why}: {shown}".encode()
