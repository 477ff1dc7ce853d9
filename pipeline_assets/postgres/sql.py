"""Quotes values and names for Postgres SQL.

Results stream over COPY, and COPY takes no parameters. So values are written into the statement.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeAlias

from pipeline_assets.errors import PipelineError

Value: TypeAlias = bool | int | float | Decimal | str | date | datetime | None

LONGEST_NAME = 63


def literal(value: Value) -> str:
    """Write a value as a typed SQL literal; times are written in UTC.

    Raises:
        TypeError: The type has no literal here, or a time has no zone.
        PipelineError: A text has a NUL character, which Postgres cannot store.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case int() | float() | Decimal():
            kind = {int: "bigint", float: "float8"}.get(type(value), "numeric")
            return f"'{value}'::{kind}"
        case str():
            return _text_literal(value)
        case datetime() if value.tzinfo is not None:
            return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat()}'"
        case date() if not isinstance(value, datetime):
            return f"DATE '{value.isoformat()}'"
        case _:
            raise TypeError(f"no SQL literal for {value!r}; a time needs its zone")


def identifier(name: str) -> str:
    """Quote a name.

    Raises:
        PipelineError: The name is empty, has a NUL character, or is longer than 63 bytes, to which
            Postgres would silently shorten it.
    """
    if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        raise PipelineError(f"{name!r} can't name anything in Postgres: 1 to 63 bytes, no NUL")
    return '"' + name.replace('"', '""') + '"'


def _text_literal(text: str) -> str:
    if "\0" in text:
        raise PipelineError(f"Postgres can't hold the NUL character in the text {text[:40]!r}")
    # An E string reads backslashes the same way whatever standard_conforming_strings says.
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
