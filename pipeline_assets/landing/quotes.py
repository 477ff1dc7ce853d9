"""Which quotes of a block of text open and close a field, after RFC 4180.

A ``"`` opens a field where one may start, ``""`` inside stands for one, and the next one closes it:
a delimiter or a line end must follow. A ``"`` inside a field that doesn't start with one is data.
Where that can't be, only the record's first line is broken, and the next line starts afresh.

https://www.rfc-editor.org/rfc/rfc4180
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Problem: TypeAlias = Literal["text_after_quote", "unterminated_quote"]

_QUOTE, _NEWLINE, _RETURN = b'"\n\r'
_WELL: Final = "well"
_PENDING: Final = "pending"


@dataclass(frozen=True)
class Text:
    """A block of whole lines.

    Attributes:
        data: The text; more may follow behind its last line.
        size: The offset behind its last line end.
        delimiter: The byte between fields.
        final: Whether the file ends here.
        limit: The longest record to look for, in bytes: a quoted field that takes its record beyond
            that counts as unterminated.
    """

    data: bytes
    size: int
    delimiter: int
    final: bool
    limit: int

    @property
    def lines(self) -> NDArray[np.uint8]:
        """The whole lines as numbers."""
        return np.frombuffer(self.data, np.uint8)[: self.size]


@dataclass(frozen=True)
class Quotes:
    """What the quotes of a text mean.

    Attributes:
        positions: The offset of every quote.
        paired: Per quote, whether it opens or closes a field; what lies between such two is data,
            and an odd one is the start of a field that ends beyond the text.
        broken: From the offset of a line whose quotes don't pair to what is wrong with it.
    """

    positions: NDArray[np.int32]
    paired: NDArray[np.bool_]
    broken: Mapping[int, Problem]


def pair_quotes(text: Text, positions: NDArray[np.int32]) -> Quotes:
    """Tell opening and closing quotes, given the offsets of all of them.

    Well-formed text is seen to be so by comparing arrays; only other text is walked quote by quote.
    """
    cut_off = text.final and len(positions) % 2 == 1
    if cut_off or text.size > text.limit or not _in_place(text, positions):
        walk = _Walk(text, positions)
        walk.run()
        return Quotes(positions, walk.paired, walk.broken)
    return Quotes(positions, np.ones(len(positions), np.bool_), {})


def _in_place(text: Text, positions: NDArray[np.int32]) -> bool:
    """Whether opening and closing quotes take turns, each where only such a one may stand.

    A ``""`` inside a field then counts as closing and opening again with nothing in between.
    """
    lines = text.lines
    edge = np.zeros(256, np.bool_)
    edge[[text.delimiter, _NEWLINE, _QUOTE]] = True
    opening, closing = positions[0::2], positions[1::2]
    # The text ends with a line end, so that one is before its first byte, too, as numpy counts, and
    # that a byte follows every quote and every CR.
    opens = edge[lines[opening - 1]]
    strays = closing[~edge[lines[closing + 1]]]
    returns = (lines[strays + 1] == _RETURN) & (lines[strays + 2] == _NEWLINE)
    return bool(opens.all() and returns.all())


class _Walk:
    """Pairs quotes one by one, which copes with any that are out of place.

    Attributes:
        paired: See `Quotes`.
        broken: See `Quotes`.
    """

    def __init__(self, text: Text, positions: NDArray[np.int32]) -> None:
        self.paired = np.zeros(len(positions), np.bool_)
        self.broken: dict[int, Problem] = {}
        self._text = text
        self._data = text.data
        self._positions = positions.data
        self._edges = (bytes([text.delimiter]), b"\n")

    def run(self) -> None:
        """Walk to the end of the text, or to the field that ends beyond it."""
        place = record = seen = 0
        while place < len(self._positions):
            position = self._positions[place]
            record = max(record, self._data.rfind(b"\n", seen, position) + 1)
            seen = position + 1
            if position > record and self._data[position - 1 : position] not in self._edges:
                place += 1
                continue
            closing = self._closing(place + 1)
            verdict = self._verdict(record, closing)
            if verdict == _PENDING:
                self.paired[place] = True
                return
            if verdict == _WELL:
                self.paired[[place, closing]] = True
                place, seen = closing + 1, self._positions[closing] + 1
            else:
                record, place = self._give_up(record, place, verdict)
                seen = record

    def _closing(self, place: int) -> int:
        """The first quote from this one on that isn't doubled; may be beyond the last."""
        while place < len(self._positions) and self._data[self._positions[place] + 1] == _QUOTE:
            place += 2
        return place

    def _verdict(self, record: int, closing: int) -> Problem | Literal["well", "pending"]:
        """How a quoted field ends, in the record that starts at an offset."""
        known = closing < len(self._positions)
        end = self._positions[closing] if known else self._text.size
        if end - record > self._text.limit or (self._text.final and not known):
            return "unterminated_quote"
        if not known:
            return _PENDING
        following = self._data[end + 1 : end + 3]
        return _WELL if following[:1] in self._edges or following == b"\r\n" else "text_after_quote"

    def _give_up(self, record: int, place: int, problem: Problem) -> tuple[int, int]:
        """Break a record off after its first line; gives the next line and its first quote."""
        self.broken[record] = problem
        self.paired[bisect_left(self._positions, record) : place] = False
        following = self._data.index(b"\n", record) + 1
        return following, bisect_left(self._positions, following)
