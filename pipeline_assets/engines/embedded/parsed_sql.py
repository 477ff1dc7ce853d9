"""A statement as DuckDB's own parser sees it."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from pipeline_assets.engines.standard_sql import literal


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """The tree of a statement; it says `error` where DuckDB cannot write it as one."""
    # As a literal: DuckDB imports pandas to look at the type of a parameter.
    found = connection.execute(f"SELECT json_serialize_sql({literal(sql)})").fetchone()
    tree: dict[str, Any] = json.loads(found[0]) if found else {"error": True}
    return tree


def table_name(node: dict[str, Any]) -> str:
    """The name that a node of type `BASE_TABLE` says: `namespace.name`, or `name` alone."""
    return f"{node['schema_name']}.{node['table_name']}".removeprefix(".")


def nodes(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """All objects of a JSON value; without recursion, because a statement may nest deeply."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
