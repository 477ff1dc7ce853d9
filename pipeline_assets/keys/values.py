"""Rows as JSON and back, with every type of a contract exactly as it was.

JSON has neither decimals nor dates nor NaN; they are text there, and the schema of the rows, which
is kept beside them, tells what the text was.
"""

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

_READ: Final[tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]], ...]] = (
    (pa.types.is_decimal, Decimal),
    (pa.types.is_date, date.fromisoformat),
    (pa.types.is_timestamp, datetime.fromisoformat),
    (pa.types.is_floating, float),
    (pa.types.is_binary, base64.b64decode),
)


def row_text(row: Mapping[str, Any]) -> str:
    """A row as an object of JSON."""
    return json.dumps(row, default=_text, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:  # noqa: ANN401 - any value of Arrow
    """The value, or the text of a number that JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return [finite(each) for each in value] if isinstance(value, list) else value


def rows_table(texts: Iterable[str], schema: pa.Schema) -> pa.Table:
    """Rows as they were before they became JSON.

    Args:
        texts: Lists of rows.
        schema: Of the rows.
    """
    rows = [row for text in texts for row in json.loads(text)]
    arrays = [
        pa.array([_value(row.get(field.name), field.type) for row in rows], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def schema_text(schema: pa.Schema) -> str:
    """A schema in base64."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def schema_in(text: str) -> pa.Schema:
    """The schema that :func:`schema_text` has written."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def _text(value: Any) -> str:  # noqa: ANN401 - any value that JSON does not have
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _value(value: Any, type_: pa.DataType) -> Any:  # noqa: ANN401 - any value of JSON
    if value is None:
        return None
    if pa.types.is_list(type_):
        return [_value(each, type_.value_type) for each in value]
    return next((read(value) for is_type, read in _READ if is_type(type_)), value)
