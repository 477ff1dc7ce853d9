r"""What a correct pipeline does with a line of a Taobao file: accept it, or reject it for a reason.

A line is rejected for the first four of these reasons alone, and for all of the others that apply,
joined by commas:

| reason            | applies if                                                                  |
|-------------------|-----------------------------------------------------------------------------|
| `empty_line`      | it has no character                                                         |
| `undecodable`     | it is not UTF-8, has a carriage return inside or the four ASCII separators  |
|                   | in a row, or starts with a byte order mark or ASCII SUBSTITUTE              |
| `field_count`     | it has not 6 (skeleton) or 3 (common features) fields between commas        |
| `cut_line`        | the file ends inside the line, and anything is wrong or the number of       |
|                   | tokens is not the number of features                                        |
| `bad_sample_id`   | the sample id is not 1 to 18 digits                                         |
| `bad_label`       | a label is neither 0 nor 1                                                  |
| `bad_index`       | the common feature index is empty or has a control character                |
| `bad_feature_num` | the number of features is not 1 to 9 digits                                 |
| `bad_token`       | a token is not `field \x02 id \x03 value`: a field of no control characters |
|                   | nor commas, an id of 1 to 18 digits, a decimal number                       |

A byte order mark at the start of a file belongs to no line of it.
`cut_line` takes the place of every other reason. An empty list has no tokens; one `\x01` after the
last token is no token. Everything else is accepted. A number of features that is wrong beside a
well-formed list is accepted and counted, for the tokens are there and every one of them is right.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple


class Column(NamedTuple):
    """What a field between commas must look like, and the reason that says it does not."""

    reason: str
    pattern: re.Pattern[bytes]


TOKEN: Final = (
    rb"[^\x00-\x1f\x7f,]+\x02[0-9]{1,18}\x03-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?"
)
_INDEX: Final = Column("bad_index", re.compile(rb"[^\x00-\x1f\x7f]+"))
_FEATURE_NUM: Final = Column("bad_feature_num", re.compile(rb"[0-9]{1,9}"))
_LIST: Final = Column(
    "bad_token", re.compile(rb"(?:%(token)s(?:\x01%(token)s)*\x01?)?" % {b"token": TOKEN})
)
_LABEL: Final = Column("bad_label", re.compile(rb"[01]"))
_SAMPLE_ID: Final = Column("bad_sample_id", re.compile(rb"[0-9]{1,18}"))

SKELETON: Final = (_SAMPLE_ID, _LABEL, _LABEL, _INDEX, _FEATURE_NUM, _LIST)
"""Columns of a line of `sample_skeleton_{split}.csv`."""

COMMON: Final = (_INDEX, _FEATURE_NUM, _LIST)
"""Columns of a line of `common_features_{split}.csv`."""


def rejection(text: bytes, columns: Sequence[Column]) -> str | None:
    """The reason to reject a line; None to accept it.

    Args:
        text: The line as it is in the file, with its newline unless the file ends before it.
        columns: What its fields must look like.
    """
    terminated = text.endswith(b"\n")
    line = text.removesuffix(b"\n").removesuffix(b"\r") if terminated else text
    reason = _fault(line, columns) if _is_decodable(line) else "undecodable"
    if not terminated and (reason or not has_all_features(text)):
        return "cut_line"
    return reason


def has_all_features(text: bytes) -> bool:
    """Whether an accepted line has as many tokens as its number of features says."""
    _, feature_num, tokens = text.rstrip(b"\r\n").rsplit(b",", 2)
    return int(feature_num) == _count_tokens(tokens.removesuffix(b"\x01"))


def _count_tokens(tokens: bytes) -> int:
    return tokens.count(b"\x01") + 1 if tokens else 0


def _is_decodable(line: bytes) -> bool:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return False
    inside = ("\r", "\x1c\x1d\x1e\x1f")
    return not text.startswith(("\ufeff", "\x1a")) and not any(each in text for each in inside)


def _fault(line: bytes, columns: Sequence[Column]) -> str | None:
    if not line:
        return "empty_line"
    fields = line.split(b",")
    if len(fields) != len(columns):
        return "field_count"
    pairs = zip(columns, fields, strict=True)
    found = [column.reason for column, field in pairs if not column.pattern.fullmatch(field)]
    return ", ".join(dict.fromkeys(found)) or None
