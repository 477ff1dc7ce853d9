"""What the OpenAPI document says of answers: their parts, and each column with type and meaning."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline_assets.reading.published_table import Column
from pipeline_assets.serving.formats import MEDIA_TYPES

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_TYPES: Final[Mapping[str, Schema]] = {
    "boolean": {"type": "boolean"},
    "int": {"type": "integer"},
    # Numbers that JSON's readers would round, or do not know, are texts.
    "long": {"type": ["integer", "string"]},
    "float": {"type": ["number", "string"]},
    "double": {"type": ["number", "string"]},
    "date": _TEXT | {"format": "date"},
    "binary": _TEXT | {"contentEncoding": "base64"},
    "list": {"type": "array"},
    "struct": {"type": "object"},
    "map": {"type": "array"},
}
"""By the word that an Iceberg type begins with; every other type is a text."""
_COLUMN: Final[Schema] = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "type": _TEXT | {"description": "Of Arrow."},
        "encoding": _TEXT
        | {"enum": ["string"], "description": "There if the column's numbers are texts."},
    },
    "required": ["name", "type"],
}
_VERSION: Final[Schema] = {
    "type": "object",
    "properties": {
        "table": _TEXT,
        "snapshot": _TEXT,
        "published_at": _TEXT | {"format": "date-time"},
        "newest_partition": {
            "type": ["string", "null"],
            "description": "The last key in order: of a table by day, how far it reaches.",
        },
        "checks": _TEXT
        | {
            "enum": ["passed", "unknown"],
            "description": "Of all partitions; unknown where an old version has published one.",
        },
        "from": _TEXT | {"enum": ["keys"], "description": "There if the rows come by key."},
    },
    "required": ["table", "snapshot", "published_at"],
}


def rows_answered(columns: Iterable[Column] = ()) -> dict[int | str, dict[str, Any]]:
    """What a route that answers rows says of them.

    Args:
        columns: Of the rows; none where a statement decides.
    """
    content: Schema = {each.partition(";")[0]: {"schema": _TEXT} for each in MEDIA_TYPES.values()}
    content[MEDIA_TYPES["json"]] = {"schema": _answer(columns)}
    told = "Rows, and the snapshots that they come from."
    return {200: {"description": told, "content": content}}


def _answer(columns: Iterable[Column]) -> Schema:
    row = {"type": "object", "properties": {it.name: _described(it) for it in columns}}
    parts: Schema = {
        "schema": {"type": "array", "items": _COLUMN},
        "rows": {"type": "array", "items": row},
        "truncated": {"type": "boolean", "description": "Whether rows were left out."},
        "next": {"type": ["string", "null"], "description": "The token of the next page."},
        "versions": {"type": "array", "items": _VERSION},
    }
    return {"type": "object", "properties": parts, "required": list(parts)}


def _described(column: Column) -> Schema:
    (word,) = re.findall(r"^\w+", column.type)
    schema = _TYPES.get(word, _TEXT)
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return schema | {"type": [*types, "null"], "description": f"{column.meaning} ({column.type})"}
