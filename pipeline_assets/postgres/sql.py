"""Values and names written into Postgres SQL."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeAlias

from pipeline_assets.errors import PipelineError

Value: TypeAlias = bool | int | float | Decimal | str | date | datetime | None

LONGEST_NAME = 63


def literal(value: Value) -> str:
    """A value as a typed SQL literal.

    Only COPY streams and COPY takes no parameters, so values are written into the statement.

    Args:
        value: Times must carry a zone and are written in UTC.

    Raises:
        TypeError: A type that has no literal here, or a time without a zone.
        PipelineError: A text with a NUL character, which Postgres can't hold.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case int() | float() | Decimal():
            return _number_literal(value)
        case str():
            return _text_literal(value)
        case datetime() if value.tzinfo is not None:
            return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat()}'"
        case date() if not isinstance(value, datetime):
            return f"DATE '{value.isoformat()}'"
        case _:
            raise TypeError(f"no SQL literal for {value!r}; a time needs its zone")


def identifier(name: str) -> str:
    """A quoted SQL name.

    Raises:
        PipelineError: Empty, with a NUL, or longer than the 63 bytes Postgres silently cuts it to.
    """
    if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        raise PipelineError(f"{name!r} can't name anything in Postgres: 1 to 63 bytes, no NUL")
    return '"' + name.replace('"', '""') + '"'


def _number_literal(value: int | float | Decimal) -> str:
    kind = {int: "bigint", float: "float8"}.get(type(value), "numeric")
    return f"'{value}'::{kind}"


def _text_literal(text: str) -> str:
    if "\0" in text:
        raise PipelineError(f"Postgres can't hold the NUL character in the text {text[:40]!r}")
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
