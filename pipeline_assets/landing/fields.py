"""What domains ask of the fields of a delivered record: one rule each, the same in every domain."""

from collections.abc import Iterable
from typing import Final

import ibis
import ibis.expr.types as ir

BETWEEN_REASONS: Final = ", "
MAX_RAW_CHARACTERS: Final = 4096
"""So much is kept of the text of a rejected record."""
NOTHING: Final = ("", "<na>", "nan", "none", "null")
"""How programs write that there is no value, in small letters. ``NA`` is none of them: Namibia."""
WHOLE_ENDING: Final = r"[.]0+\z"
"""What pandas writes behind a whole number where a column has a value missing."""


def reasons(*faults: tuple[ir.BooleanValue, ir.StringValue | str]) -> ir.StringValue:
    """The reasons to reject a record, all that apply, joined; null for a sound record.

    Args:
        faults: Conditions and what each of them is called; a null condition does not apply.
    """
    told = [ibis.cases((condition, reason)) for condition, reason in faults]
    return ibis.literal(BETWEEN_REASONS).join(told).nullif("")


def text_of(record: ir.Table, names: Iterable[str], delimiter: str) -> ir.StringValue:
    """The fields of a record as one text, cut to as much as is kept of a rejected one."""
    fields = [record[name].fill_null("") for name in names]
    return ibis.literal(delimiter).join(fields).substr(0, MAX_RAW_CHARACTERS)


def is_whole(text: ir.StringValue, digits: int) -> ir.BooleanValue:
    """Whether a field is a whole number from 0 of at most so many digits, such as 7, 007 or 12.0.

    Nothing is lost by taking ``12.0`` for what it is, while ``12.5`` and ``1e+01`` would have to be
    guessed at.
    """
    return text.re_search(rf"^[0-9]{{1,{digits}}}([.]0+)?\z")


def is_positive(text: ir.StringValue, digits: int) -> ir.BooleanValue:
    """As :func:`is_whole`, from 1 and with any number of leading zeros."""
    return text.re_search(rf"^0*[1-9][0-9]{{0,{digits - 1}}}([.]0+)?\z")


def as_whole(text: ir.StringValue, type_: str) -> ir.IntegerValue:
    """The number that :func:`is_whole` accepts; null if it does not fit the type."""
    digits = ibis.cases((text.contains("."), text.re_replace(WHOLE_ENDING, "")), else_=text)
    return digits.try_cast(type_)


def is_nothing(text: ir.StringValue) -> ir.BooleanValue:
    """Whether a field says that there is no value, however it is written: see :data:`NOTHING`."""
    return text.isnull() | text.strip().lower().isin(NOTHING)
