"""What a SELECT reads, found by DuckDB's own parser before anything is executed.

A statement from outside may name published tables and nothing else. Files, URLs, settings, secrets
and the catalog of the engine are refused by what the parser found, and the sandbox closes the same
doors once more when the statement runs.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import duckdb

from pipeline_assets.errors import PipelineError

ONE_SELECT: Final = "a single SELECT is answered; the lake is changed by assets only"
# Table functions that read nothing but their arguments.
_HARMLESS: Final = frozenset({"unnest", "generate_series", "range"})
# They tell about the machine, or wait.
_REFUSED: Final = frozenset({"current_setting", "getenv", "getvariable", "sleep_ms", "pg_sleep"})


def tables_of(sql: str) -> frozenset[str]:
    """The tables, as ``domain.name``, that a statement reads.

    Raises:
        PipelineError: It is not a single SELECT, cannot be parsed, or reads something else.
    """
    nodes = list(_nodes(_parsed(sql)))
    defined = {entry["key"].lower() for node in nodes for entry in _ctes(node)}
    names = set()
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            names.add(_table(node))
        elif node.get("type") == "TABLE_FUNCTION":
            _require_harmless(node)
        elif node.get("class") == "FUNCTION" and node["function_name"].lower() in _REFUSED:
            raise PipelineError(f"{node['function_name']} is not answered here")
        elif node.get("type") == "SHOW_REF" and not node.get("query"):
            raise PipelineError("SHOW is not answered here; ask for the list of tables")
    return frozenset(name for name in names if "." in name or name.lower() not in defined)


def _parsed(sql: str) -> Any:  # noqa: ANN401 - DuckDB's tree as JSON
    with duckdb.connect() as parser:
        try:
            found = parser.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
        except duckdb.Error as error:
            raise PipelineError(str(error).splitlines()[0]) from error
    tree = json.loads(found[0]) if found else {}
    if tree.get("error"):
        is_syntax = tree.get("error_type") == "parser"
        raise PipelineError(tree["error_message"] if is_syntax else ONE_SELECT)
    if len(tree["statements"]) != 1:
        raise PipelineError(ONE_SELECT)
    return tree


def _nodes(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """All objects of a JSON value; without recursion, because a statement may nest deeply."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _ctes(node: dict[str, Any]) -> list[dict[str, Any]]:
    ctes = node.get("cte_map")
    return ctes["map"] if isinstance(ctes, dict) else []


def _table(node: dict[str, Any]) -> str:
    if node["catalog_name"]:
        raise PipelineError(f"write {node['schema_name']}.{node['table_name']}, without a catalog")
    return f"{node['schema_name']}.{node['table_name']}".removeprefix(".")


def _require_harmless(node: dict[str, Any]) -> None:
    name = node["function"]["function_name"]
    if name.lower() not in _HARMLESS:
        raise PipelineError(f"the function {name} may not stand in FROM: only tables of the lake")
