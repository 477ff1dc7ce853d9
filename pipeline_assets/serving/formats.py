"""Rows as JSON, as lines of JSON, as CSV and as an Arrow stream.

JSON has one type of number, which most readers take for a double. So a column whose values leave
the integers that a double holds exactly is written as text, decimals are always text, and so are
NaN and the infinities, which JSON lacks. The schema beside the rows says so of each column.
"""

import base64
import json
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

Format: TypeAlias = Literal["json", "ndjson", "csv", "arrow"]
MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
}
EXACT: Final = 2**53
"""Doubles hold every integer up to here."""


def schema_of(rows: pa.Table) -> list[dict[str, str]]:
    """Name, Arrow type and, where it is not JSON's own, the encoding of each column."""
    return [
        {"name": name, "type": str(column.type)}
        | ({"encoding": "string"} if _is_text(column) else {})
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    ]


def records(rows: pa.Table) -> Iterator[list[Any]]:
    """The rows as values that JSON can write."""
    texts = [_is_text(column) for column in rows.columns]
    for batch in rows.to_batches():
        columns = [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield [_json(value, as_text=is_text) for value, is_text in zip(row, texts, strict=True)]


def ndjson(rows: pa.Table) -> bytes:
    """One object a line."""
    names = rows.column_names
    lines = (dict(zip(names, row, strict=True)) for row in records(rows))
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def csv_text(rows: pa.Table) -> bytes:
    """RFC 4180 with a header; a null is empty, an empty text is quoted, nested values are JSON."""
    texts = zip(*records(rows), strict=True) if len(rows) else ([] for _ in rows.columns)
    columns = [
        pa.array([_cell(value) for value in text], pa.string())
        if pa.types.is_nested(column.type) or pa.types.is_decimal(column.type)
        else column
        for column, text in zip(rows.columns, texts, strict=True)
    ]
    sink = pa.BufferOutputStream()
    pacsv.write_csv(pa.table(columns, names=rows.column_names), sink)
    return bytes(sink.getvalue())


def arrow(rows: pa.Table) -> bytes:
    """Arrow's streaming format."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue())


BODIES: Final[dict[Format, Callable[[pa.Table], bytes]]] = {
    "ndjson": ndjson,
    "csv": csv_text,
    "arrow": arrow,
}
"""How rows are written where nothing stands beside them."""


def _is_text(column: pa.ChunkedArray) -> bool:
    if pa.types.is_decimal(column.type):
        return True
    if not pa.types.is_integer(column.type) or not len(column):
        return False
    ends = pc.min_max(column).as_py()
    return any(value is not None and abs(value) > EXACT for value in ends.values())


def _cell(value: Any) -> str | None:  # noqa: ANN401 - what `records` yields
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _json(value: Any, *, as_text: bool = False) -> Any:  # noqa: ANN401 - any value of Arrow
    write = _WRITERS.get(type(value))
    if write:
        return write(value)
    return str(value) if as_text and value is not None else value


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


_WRITERS: Final[dict[type, Callable[[Any], Any]]] = {
    float: _number,
    bytes: lambda value: base64.b64encode(value).decode(),
    **dict.fromkeys((datetime, date, time), lambda value: value.isoformat()),
    list: lambda value: [_json(each) for each in value],
    dict: lambda value: {str(name): _json(each) for name, each in value.items()},
    **dict.fromkeys((Decimal, timedelta, UUID), str),
}
"""How values are written that JSON does not have, by type."""
