r"""The format of Ali-CCP lines, and how they become columns.

Format: the data set's own description. A skeleton line is
``sample_id,click,conversion,common_feature_index,feature_num,feature_list``, a common line is
``common_feature_index,feature_num,feature_list``. A list is tokens joined by ``\x01``; a token is
``field_id \x02 feature_id \x03 value``. There is no header and no quoting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.landing.fields import reasons

ESCAPED: Final = "\x1a"
SEPARATOR: Final = "\x01"
BEFORE_ID: Final = "\x02"
AFTER_ID: Final = "\x03"
_TEXT: Final = r"[^\x00-\x1f\x7f]+"
_NUMBER: Final = r"-?[0-9]{1,18}([.][0-9]{1,18})?([eE][-+]?[0-9]{1,2})?"
_TOKEN: Final = rf"^{_TEXT}\x02[0-9]{{1,18}}\x03{_NUMBER}\z"
_CUT: Final = "cut_line"
_FAULTS: Final = (
    (("sample_id",), r"^[0-9]{1,18}\z", "bad_sample_id"),
    (("click", "conversion"), r"^[01]\z", "bad_label"),
    (("index",), rf"^{_TEXT}\z", "bad_index"),
    (("feature_num",), r"^[0-9]{1,9}\z", "bad_feature_num"),
)


@dataclass(frozen=True)
class Layout:
    """One of the two kinds of lines.

    Attributes:
        member: The file they come in, without split and extension.
        columns: What the comma-separated columns are.
    """

    member: str
    columns: tuple[str, ...]

    def file_name(self, split: str) -> str:
        """The member's name in an archive."""
        return f"{self.member}_{split}.csv"

    def column(self, line: ir.StringValue, name: str) -> ir.StringValue:
        """One column of a line, as text."""
        return line.split(",")[self.columns.index(name)]


SKELETON: Final = Layout(
    "sample_skeleton", ("sample_id", "click", "conversion", "index", "feature_num", "features")
)
COMMON: Final = Layout("common_features", ("index", "feature_num", "features"))
LAYOUTS: Final = (SKELETON, COMMON)


def accepted(lines: ir.Table, rejected_rows: ir.Table, layout: Layout) -> ir.Table:
    """Lines of one kind that are not rejected; equal lines of a file have equal verdicts.

    There is one exception: a file may end in a copy of one of its lines, as retried uploads do.
    The copy is rejected because the file ends in it, and the line itself is not.
    """
    own = lines.filter(lines.member == layout.member)
    damaged = rejected_rows.filter(rejected_rows.member == layout.member)
    kept = own.anti_join(damaged, _is_text_of(own, damaged))
    return kept.union(_copied(own, damaged))


def _copied(own: ir.Table, damaged: ir.Table) -> ir.Table:
    """Lines with the text of one that is rejected for nothing but the file's end, except that one.

    A file is only read for them if it has such a line: an engine does not probe an empty table.
    """
    others = damaged.filter(damaged.reason != _CUT)
    cut = damaged.filter(damaged.reason == _CUT).anti_join(others, ["raw", "split"])
    copies = own.semi_join(cut, _is_text_of(own, cut))
    place = ibis.row_number().over(group_by=["split", "line"], order_by="line")
    return copies.mutate(place=place).filter(ibis._.place > 0).drop("place")


def _is_text_of(own: ir.Table, damaged: ir.Table) -> list[ir.BooleanValue]:
    return [own.line == damaged.raw, own.split == damaged.split]


def columns(lines: ir.Table, layout: Layout) -> ir.Table:
    """Split lines at commas: the layout's columns as text, and the split."""
    fields = lines.select("split", fields=lines.line.split(","))
    named = {name: fields.fields[place] for place, name in enumerate(layout.columns)}
    return fields.select("split", **named)


def tokens(table: ir.Table, key: str) -> ir.Table:
    """One row per token of the column ``features``: key, name, id, value, split."""
    each = table.select(key, "split", token=table.features.split(SEPARATOR).unnest())
    each = each.filter(each.token != "")
    halves = each.select(key, "split", halves=each.token.split(BEFORE_ID))
    parts = halves.select(
        key,
        "split",
        feature_name=halves.halves[0],
        parts=halves.halves[1].split(AFTER_ID),
    )
    return parts.select(
        key,
        "feature_name",
        "split",
        feature_id=parts.parts[0].try_cast("int64"),
        feature_value=parts.parts[1].try_cast("float64"),
    )


def rejected(lines: ir.Table, layout: Layout) -> ir.Table:
    """Lines of one kind that cannot be read, with all reasons that apply.

    A last line without newline may be cut: it is rejected where anything is wrong with it,
    including a token count that is not its ``feature_num``, and accepted otherwise. What else is
    wrong with it follows from the cut, and is not told.
    """
    own = lines.filter(lines.member == layout.member)
    fault = _fault(own.line, layout)
    may_be_cut = own.line_number == own.unterminated_line
    is_cut = may_be_cut & (fault.notnull() | ~_has_all_tokens(own.line, layout))
    judged = own.select(
        "source_uri",
        "member",
        "line_number",
        reason=ibis.cases((is_cut, _CUT), else_=fault),
        raw=own.line,
        split=own.split,
    )
    return judged.filter(judged.reason.notnull())


def _fault(line: ir.StringValue, layout: Layout) -> ir.StringValue:
    """What is wrong with a line; only one that can be split is looked at column by column."""
    of_columns: list[tuple[ir.BooleanValue, str]] = [
        (_any_unlike(line, layout, names, pattern), reason)
        for names, pattern, reason in _FAULTS
        if names[0] in layout.columns
    ]
    is_bad = _has_bad_token(layout.column(line, "features"))
    return ibis.cases(
        (line == "", "empty_line"),
        (line.startswith(ESCAPED), "undecodable"),
        (line.split(",").length() != len(layout.columns), "field_count"),
        else_=reasons(*of_columns, (is_bad, "bad_token")),
    )


def _any_unlike(
    line: ir.StringValue, layout: Layout, names: Sequence[str], pattern: str
) -> ir.BooleanValue:
    return ibis.or_(*(~layout.column(line, name).re_search(pattern) for name in names))


def _has_bad_token(features: ir.StringValue) -> ir.BooleanValue:
    """Only the end of the list may be empty: after a trailing separator, or all of it."""
    bad = features.split(SEPARATOR).filter(lambda token: ~(token.re_search(_TOKEN) | (token == "")))
    is_gap = features.startswith(SEPARATOR) | features.contains(SEPARATOR * 2)
    return is_gap | (bad.length() > 0)


def _has_all_tokens(line: ir.StringValue, layout: Layout) -> ir.BooleanValue:
    found = layout.column(line, "features").split(SEPARATOR).filter(lambda token: token != "")
    return found.length() == layout.column(line, "feature_num").try_cast("int64")
