"""Records cut out of a block of delimited text, by arithmetic on offsets.

The positions of delimiters, line ends and quotes are found with numpy; a field is a pair of offsets
into the block, so that only the wanted columns are ever copied, each by one Arrow kernel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_assets.landing.fields import BETWEEN_REASONS, MAX_RAW_CHARACTERS
from pipeline_assets.landing.quotes import Problem, Quotes, Text, pair_quotes

Bytes: TypeAlias = NDArray[np.uint8]
Positions: TypeAlias = NDArray[np.int32]
Flags: TypeAlias = NDArray[np.bool_]
Verdicts: TypeAlias = NDArray[np.uint8]


PROBLEMS: Final[Mapping[str, str]] = {
    "field_count": "The record has more or fewer fields than the header.",
    "nul_byte": "The record holds a NUL byte, which no warehouse stores as text.",
    "undecodable": "The record is not valid UTF-8.",
    "text_after_quote": "A closing quote is followed by something else than a delimiter.",
    "unterminated_quote": "A quoted field does not end within its file or within 16 MiB.",
    "empty_line": "The line holds no character.",
}
"""What can be wrong with a record; where several things are, all of them are reported."""

_NAMES = tuple(PROBLEMS)
_SOUND = 0
_FLAGS: Final = {name: 1 << place for place, name in enumerate(_NAMES)}
_CUT: Final = _FLAGS["text_after_quote"] | _FLAGS["unterminated_quote"] | _FLAGS["empty_line"]
"""Problems of records whose fields cannot be counted."""
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'


@dataclass(frozen=True)
class Records:
    """Records in a block of bytes.

    Attributes:
        data: The bytes; all offsets count in them.
        fields: A string array whose elements of even index are the fields of all records, without
            their quotes; what lies between two fields is the element of odd index.
        doubled: Per field, whether it still holds ``""`` for ``"``.
        first: Per record, which field is its first.
        count: Per record, how many fields it has.
        starts: Per record, the offset of its first byte.
        ends: Per record, the offset behind its last byte, without the line end.
        verdicts: Per record, a bit for each of its `PROBLEMS`, or 0 if it is sound.
        consumed: The offset behind the last record.
    """

    data: bytes
    fields: pa.StringArray
    doubled: Flags
    first: Positions
    count: Positions
    starts: Positions
    ends: Positions
    verdicts: Verdicts
    consumed: int

    def __len__(self) -> int:
        return len(self.first)

    def select(self, rows: Flags | slice) -> "Records":
        """Some of them."""
        per_record = ("first", "count", "starts", "ends", "verdicts")
        return replace(self, **{name: getattr(self, name)[rows] for name in per_record})

    def judged(self, width: int) -> "Records":
        """The same, those told off whose fields can be counted and are not this many."""
        wrong = (self.verdicts & _CUT == 0) & (self.count != width)
        flag = np.uint8(_FLAGS["field_count"])
        return replace(self, verdicts=np.where(wrong, self.verdicts | flag, self.verdicts))

    @property
    def leading_empty_lines(self) -> int:
        """How many empty lines come before the first that is not."""
        filled = np.flatnonzero(self.starts < self.ends)
        return int(filled[0]) if len(filled) else len(self)

    def column(self, place: int) -> pa.StringArray:
        """The fields at one place of every record, null where the record isn't sound."""
        sound = self.verdicts == _SOUND
        index = np.where(sound, self.first + place, 0)
        values = self.fields.take(pa.array(2 * index, mask=~sound))
        doubled = self.doubled[index]
        if not doubled.any():
            return values
        single = pc.replace_substring(values.filter(doubled), '""', '"')
        return pc.replace_with_mask(values, pa.array(doubled), single)

    def problems(self) -> pa.StringArray:
        """Per record, its problems joined, null if it is sound."""
        return _combined().take(pa.array(self.verdicts, mask=self.verdicts == _SOUND))

    def problem_counts(self) -> dict[str, int]:
        """How many have which problems."""
        codes, counts = np.unique(self.verdicts[self.verdicts != _SOUND], return_counts=True)
        return dict(
            zip(_combined().take(pa.array(codes)).to_pylist(), counts.tolist(), strict=True)
        )

    def raw(self) -> pa.StringArray:
        """Per record, its text if it has a problem, else null."""
        values = np.full(len(self), None, object)
        for row in np.flatnonzero(self.verdicts != _SOUND).tolist():
            values[row] = self.text(row)
        return pa.array(values, pa.string())

    def text(self, row: int) -> str:
        """A record as people can read it, cut to 4,096 characters and an ellipsis."""
        start, end = int(self.starts[row]), int(self.ends[row])
        # Four bytes a character at most, so that a character cut in two is always beyond the limit.
        head = self.data[start : min(end, start + 4 * (MAX_RAW_CHARACTERS + 1))]
        text = head.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        return text if len(text) <= MAX_RAW_CHARACTERS else text[:MAX_RAW_CHARACTERS] + "…"


def cut(text: Text, quoting: bool) -> Records:
    """Cut all whole records out of a text.

    Args:
        text: Whole lines, starting with a record.
        quoting: Whether ``"`` quotes; otherwise it is data.
    """
    marks = _marks(text, quoting)
    kinds = text.lines[marks]
    is_quote = kinds == _QUOTE
    quotes = pair_quotes(text, marks[is_quote])
    separates = _outside(is_quote, quotes.paired)
    separators = marks[separates]
    last = np.flatnonzero(kinds[separates] == _NEWLINE).astype(np.int32)
    return _assemble(text, separators[: last[-1] + 1 if len(last) else 0], last, quotes)


def _marks(text: Text, quoting: bool) -> Positions:
    """Where a byte may separate or quote."""
    found = text.lines == text.delimiter
    found |= text.lines == _NEWLINE
    if quoting:
        found |= text.lines == _QUOTE
    return np.flatnonzero(found).astype(np.int32)


def _outside(is_quote: Flags, paired: Flags) -> Flags:
    """Which marks separate: no quotes, and not between an opening and a closing one."""
    if not len(paired):
        return ~is_quote
    toggles = is_quote.astype(np.int8)
    toggles[is_quote] = paired
    # Only the parity of the sum matters, so that it may overflow.
    inside: Flags = np.cumsum(toggles, dtype=np.int8) % 2 == 1
    separates: Flags = ~(is_quote | inside)
    return separates


def _assemble(text: Text, separators: Positions, last: Positions, quotes: Quotes) -> Records:
    """Assemble records; `last` says which separators end one."""
    lines, ends = text.lines, separators.copy()
    first, starts = _behind(last), _behind(separators)
    ends[last] -= lines[ends[last] - 1] == _RETURN
    lines = lines[: separators[-1] + 1 if len(separators) else 0]
    inner_starts, inner_ends, doubled = _strip_quotes(lines, starts, ends, quotes.positions)
    return Records(
        data=text.data,
        fields=_spans(text.data, inner_starts, inner_ends),
        doubled=doubled,
        first=first,
        count=last - first + 1,
        starts=starts[first],
        ends=ends[last],
        verdicts=_verdicts(text.data, lines, starts[first], ends[last], quotes.broken),
        consumed=len(lines),
    )


def _behind(ends: Positions) -> Positions:
    """Where each of the things that end at these places starts."""
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + np.int32(1)
    return starts


def _strip_quotes(
    lines: Bytes, starts: Positions, ends: Positions, quotes: Positions
) -> tuple[Positions, Positions, Flags]:
    """Take the quotes off quoted fields, and tell which of them still hold doubled ones."""
    doubled = np.zeros(len(starts), np.bool_)
    quotes = quotes[quotes < len(lines)]
    if not len(quotes):
        return starts, ends, doubled
    # A lone quote is possible in a broken line.
    quoted = (lines[starts] == _QUOTE) & (ends - starts >= 2)
    starts, ends = starts + quoted, ends - quoted
    pairs = quotes[:-1][np.diff(quotes) == 1]
    holders = np.searchsorted(ends, pairs)
    doubled[holders] = quoted[holders]
    return starts, ends, doubled


def _spans(data: bytes, starts: Positions, ends: Positions) -> pa.StringArray:
    """A string array over data without copying it: field, gap, field, gap and so on."""
    offsets = np.full(2 * len(starts) + 1, len(data), np.int32)
    offsets[:-1:2] = starts
    offsets[1::2] = ends
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def _verdicts(
    data: bytes, lines: Bytes, starts: Positions, ends: Positions, broken: Mapping[int, Problem]
) -> Verdicts:
    """Per record, its problems as far as they don't depend on the header."""
    verdicts = np.full(len(starts), _SOUND, np.uint8)
    verdicts[starts == ends] = _FLAGS["empty_line"]
    if b"\0" in data:
        verdicts[_rows_with(lines == 0, starts, ends)] |= _FLAGS["nul_byte"]
    if not _is_utf8(data, len(lines)):
        suspects = _rows_with(lines >= 0x80, starts, ends)
        wrong = suspects[_undecodable(data, starts[suspects], ends[suspects])]
        verdicts[wrong] |= _FLAGS["undecodable"]
    if broken:
        flags = np.array([_FLAGS[problem] for problem in broken.values()], np.uint8)
        verdicts[np.searchsorted(starts, list(broken))] |= flags
    return verdicts


def _rows_with(found: Flags, starts: Positions, ends: Positions) -> NDArray[np.intp]:
    """The records that hold any of the bytes found."""
    before = np.zeros(len(found) + 1, np.int32)
    np.cumsum(found, out=before[1:])
    return np.flatnonzero(before[ends] > before[starts])


def _undecodable(data: bytes, starts: Positions, ends: Positions) -> Flags:
    bounds = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.array([not _decodes(data[start:end]) for start, end in bounds], np.bool_)


def _is_utf8(data: bytes, size: int) -> bool:
    offsets = pa.py_buffer(np.array([0, size], np.int32))
    text = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _decodes(record: bytes) -> bool:
    try:
        record.decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def _combined() -> pa.StringArray:
    """The text of every combination of flags; built when needed, because Arrow loads pandas."""
    return pa.array(
        [
            BETWEEN_REASONS.join(name for name, flag in _FLAGS.items() if flags & flag)
            for flags in range(1 << len(_NAMES))
        ]
    )
