"""Faults for Taobao lines, of the kinds that vendors' files have.

Most faults must lead to a rejected row for a known reason. One must not: a line whose number of
features is wrong is readable, and only a check notices it.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.sample.taobao_lines import Rows


class Fault(NamedTuple):
    """A fault: the reason to reject the line for, if any, and how to spoil a line."""

    reason: str | None
    spoil: Callable[[bytes], bytes]


def _set(place: int, text: bytes) -> Callable[[bytes], bytes]:
    def spoil(line: bytes) -> bytes:
        fields = line.split(b",")
        fields[place] = text
        return b",".join(fields)

    return spoil


def _add_feature(line: bytes) -> bytes:
    return _set(-2, b"%d" % (int(line.split(b",")[-2]) + 1))(line)


def cut(line: bytes) -> bytes:
    """The beginning of a line, as an interrupted transfer leaves it."""
    return line.rpartition(b"\x02" if b"\x02" in line else b",")[0]


COMMON_FAULTS: Final = (
    Fault("bad_token", lambda line: line.replace(b"\x01", b"", 1)),
    Fault("undecodable", lambda line: line.replace(b"\x02", b"\xff\x02", 1)),
    Fault(None, _add_feature),
    Fault("field_count", lambda line: line.replace(b",", b";", 1)),
    Fault("bad_token", lambda line: re.sub(rb"\x02\d+", b"\x02abc", line, count=1)),
    Fault("bad_index", _set(-3, b"")),
    Fault("bad_token", lambda line: re.sub(rb"\x03[^\x01]+", b"\x03one", line, count=1)),
    Fault("bad_feature_num", _set(-2, b"many")),
    Fault("bad_token", cut),
    Fault("bad_token", lambda line: line.replace(b"\x02", b"", 1)),
    Fault("bad_token", lambda line: line.replace(b"\x01", b"\x01\x01", 1)),
    Fault("undecodable", lambda line: line.replace(b",", b"\r,", 1)),
    Fault("field_count", lambda line: line + b",1"),
    Fault("empty_line", lambda _: b""),
)
SKELETON_FAULTS: Final = (
    Fault("bad_sample_id", _set(0, b"12a")),
    Fault("bad_label", _set(1, b"2")),
    Fault("bad_label", _set(2, b"")),
    *COMMON_FAULTS,
)


class Spoiler:
    """Spoils an exact share of the lines of one file, with each fault in turn."""

    def __init__(self, share: float, faults: Sequence[Fault]) -> None:
        self._share = share
        self._faults = faults
        self._seen = 0
        self._planted = 0

    def spoil(self, rows: Rows, *, cut_last: bool) -> pa.BinaryArray:
        """Spoil the file's next lines, and cut the last one off if the file ends there."""
        spoilt = {place: self._spoil(_line(rows, place)) for place in self._choose(rows)}
        if cut_last:
            place = len(rows.lines) - 1
            spoilt[place] = cut(_line(rows, place))
        return _replace(rows.lines, spoilt)

    def _choose(self, rows: Rows) -> list[int]:
        """Evenly spread places of rows with two or more tokens, to which every fault applies."""
        fit = np.flatnonzero(rows.feature_num >= 2)
        numbers = self._seen + np.arange(len(fit) + 1)
        self._seen += len(fit)
        chosen: list[int] = fit[np.diff(np.floor(numbers * self._share)) > 0].tolist()
        return chosen

    def _spoil(self, line: bytes) -> bytes:
        fault = self._faults[self._planted % len(self._faults)]
        self._planted += 1
        return fault.spoil(line) + b"\n"


def _line(rows: Rows, place: int) -> bytes:
    text: str = rows.lines[place].as_py()
    return text.encode().removesuffix(b"\n")


def _replace(lines: pa.StringArray, texts: dict[int, bytes]) -> pa.BinaryArray:
    places = sorted(texts)
    mask = np.zeros(len(lines), np.bool_)
    mask[places] = True
    replacements = pa.array([texts[place] for place in places], pa.binary())
    return pc.replace_with_mask(lines.cast(pa.binary()), mask, replacements)
