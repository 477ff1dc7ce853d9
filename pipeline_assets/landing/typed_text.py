"""Text records as typed rows, and what is wrong with those that cannot be typed.

A field is null if it says that there is no value, such as `nan` in a column of numbers. A record
is rejected with every reason that applies: the reader's own problems, `missing_` and a column that
must have a value, `bad_` and a column whose text is no value of its type.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import ibis
import ibis.expr.types as ir

from pipeline_assets.landing.fields import as_whole, is_nothing, reasons, text_of

TextKind: TypeAlias = Literal["text", "whole", "number", "truth", "date", "moment"]

# Patterns before the casts, because engines differ in what else they take for a value.
_DATE: Final = r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}"
PATTERNS: Final[Mapping[TextKind, str]] = {
    "whole": r"^-?[0-9]{1,18}([.]0+)?\z",
    "number": r"^-?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,3})?\z",
    "truth": r"^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])\z",
    "date": rf"^{_DATE}\z",
    "moment": rf"^{_DATE}[ T][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]{{1,6}})?\z",
}
"""How the text of a value looks, by its kind."""


@dataclass(frozen=True)
class TypedText:
    """How the columns of a raw table are typed.

    Attributes:
        kinds: What each column holds.
        required: Columns that must have a value.
        kept: Columns that are taken as they are, such as the partition.
    """

    kinds: Mapping[str, TextKind]
    required: Collection[str] = ()
    kept: tuple[str, ...] = ()

    def typed(self, raw: ir.Table) -> ir.Table:
        """Every sound record as a row."""
        sound = raw.filter(self._fault(raw).isnull())
        values = {name: typed_value(sound[name], kind) for name, kind in self.kinds.items()}
        return sound.select(**values, **{name: sound[name] for name in self.kept})

    def rejected(self, raw: ir.Table) -> ir.Table:
        """Every other record, with its place, its text and all reasons."""
        judged = raw.mutate(reason=self._fault(raw))
        broken = judged.filter(judged.reason.notnull())
        text = text_of(broken, self.kinds, "\t")
        return broken.select(
            "source_uri",
            "row_number",
            "reason",
            *self.kept,
            raw=broken.raw.fill_null(text),
        )

    def _fault(self, raw: ir.Table) -> ir.StringValue:
        is_read = raw.problem.isnull()
        missing = [
            (is_read & says_nothing(raw[name], self.kinds[name]), f"missing_{name}")
            for name in sorted(self.required)
        ]
        bad = [
            (~says_nothing(raw[name], kind) & typed_value(raw[name], kind).isnull(), f"bad_{name}")
            for name, kind in self.kinds.items()
            if kind != "text"
        ]
        return reasons((~is_read, raw.problem), *missing, *bad)


def says_nothing(text: ir.StringValue, kind: TextKind) -> ir.BooleanValue:
    """Whether a field has no value; of a text only an empty one, because `Null` may be a name."""
    return text.isnull() | (text == "") if kind == "text" else is_nothing(text)


def typed_value(text: ir.StringValue, kind: TextKind) -> ir.Value:
    """A field as a value of its kind; null if it says nothing or is no such value."""
    if kind == "text":
        return text.nullif("")
    value = ibis.cases((text.re_search(PATTERNS[kind]), text))
    if kind == "whole":
        return as_whole(value, "int64")
    if kind == "truth":
        return value.lower() == "true"
    return value.try_cast({"number": "float64", "date": "date", "moment": "timestamp"}[kind])
