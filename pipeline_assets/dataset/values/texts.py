"""Texts of strangers, such as vendors' values and file names, made safe to show."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final

SHOWN: Final = 3
"""Up to so many names are written out."""
_LISTED: Final = 30
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what changes the direction of writing
    "\ud800-\udfff]"  # bytes of file names that are no UTF-8
)


def printable(text: str) -> str:
    r"""The text with control characters written as escapes; tabs and line ends stay.

    A terminal obeys control sequences: they could hide text, or write it anew.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that is nearest; otherwise all of them, or a few of many.

    >>> did_you_mean("raitings", ["ratings", "music"]), did_you_mean("x", ["ratings", "music"])
    ('did you mean ratings?', 'there are ratings, music')
    >>> did_you_mean("x", [f"day {number}" for number in range(1000)])
    'there are day 0 … day 999 (1,000)'
    """
    known = list(known)
    if near := nearest(name, known):
        return f"did you mean {near}?"
    if len(known) > _LISTED:
        return f"there are {first_and_last(known)}"
    return f"there are {', '.join(known) or 'none'}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that somebody may have meant.

    >>> nearest("raitings", ["ratings", "music"]), nearest("x", ["ratings", "music"])
    ('ratings', None)
    """
    near = difflib.get_close_matches(name, known, n=1)
    return near[0] if near else None


def first_and_last(names: Sequence[str]) -> str:
    """A few names as a list; of many the first, the last and their number.

    >>> first_and_last(["mon", "tue"]), first_and_last(list("abcde"))
    ('mon, tue', 'a … e (5)')
    """
    if len(names) <= SHOWN:
        return ", ".join(names)
    return f"{names[0]} … {names[-1]} ({len(names):,})"
