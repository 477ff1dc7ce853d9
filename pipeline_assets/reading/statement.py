"""What a SELECT reads, found by DuckDB's own parser before anything is executed.

A statement from outside may name published tables and nothing else. Files, URLs, settings, secrets
and the catalog of the engine are refused by what the parser found, and the sandbox closes the same
doors once more when the statement runs.
"""

from functools import cache, lru_cache
from typing import Any, Final

import duckdb

from pipeline_assets.engines.embedded.parsed_sql import nodes, parsed, table_name
from pipeline_assets.errors import PipelineError

ONE_SELECT: Final = "a single SELECT is answered; the lake is changed by assets only"
# Table functions that read nothing but their arguments.
_HARMLESS: Final = frozenset({"unnest", "generate_series", "range"})
_MOMENTS: Final = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
)
# They tell about the machine, or wait.
_REFUSED: Final = frozenset({"current_setting", "getenv", "getvariable", "sleep_ms", "pg_sleep"})


# Services are asked the same statements over and over, and to open a DuckDB that parses one takes
# longer than most answers.
@lru_cache(maxsize=1_000)
def tables_of(sql: str) -> frozenset[str]:
    """The tables, as ``domain.name``, that a statement reads.

    Raises:
        PipelineError: It is not a single SELECT, cannot be parsed, or reads something else.
    """
    found = list(nodes(_parsed(sql)))
    defined = {entry["key"].lower() for node in found for entry in _ctes(node)}
    names = set()
    for node in found:
        if node.get("type") == "BASE_TABLE":
            names.add(_table(node))
        elif node.get("type") == "TABLE_FUNCTION":
            _require_harmless(node)
        elif node.get("class") == "FUNCTION" and node["function_name"].lower() in _REFUSED:
            raise PipelineError(f"{node['function_name']} is not answered here")
        elif node.get("type") == "SHOW_REF" and not node.get("query"):
            raise PipelineError("SHOW is not answered here; ask for the list of tables")
    return frozenset(name for name in names if "." in name or name.lower() not in defined)


@lru_cache(maxsize=1_000)
def is_repeatable(sql: str) -> bool:
    """Whether a statement gives the same rows again, as long as its tables stay the same.

    It does not if it asks for the time, for chance, or for a sample.

    Raises:
        PipelineError: It cannot be parsed.
    """
    return not any(_varies(node) for node in nodes(_parsed(sql)))


def _varies(node: dict[str, Any]) -> bool:
    if node.get("class") == "FUNCTION":
        return node["function_name"].lower() in _varying_functions()
    if node.get("class") == "COLUMN_REF":
        return bool(_MOMENTS & {name.lower() for name in node["column_names"]})
    return bool(node.get("sample"))


@cache
def _varying_functions() -> frozenset[str]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
        ).fetchall()
    return frozenset(name for (name,) in rows)


def _parsed(sql: str) -> dict[str, Any]:
    with duckdb.connect() as parser:
        try:
            tree = parsed(parser, sql)
        except duckdb.Error as error:
            raise PipelineError(str(error).splitlines()[0]) from error
    if tree.get("error"):
        is_syntax = tree.get("error_type") == "parser"
        raise PipelineError(tree["error_message"] if is_syntax else ONE_SELECT)
    if len(tree["statements"]) != 1:
        raise PipelineError(ONE_SELECT)
    return tree


def _ctes(node: dict[str, Any]) -> list[dict[str, Any]]:
    ctes = node.get("cte_map")
    return ctes["map"] if isinstance(ctes, dict) else []


def _table(node: dict[str, Any]) -> str:
    if node["catalog_name"]:
        raise PipelineError(f"write {node['schema_name']}.{node['table_name']}, without a catalog")
    return table_name(node)


def _require_harmless(node: dict[str, Any]) -> None:
    name = node["function"]["function_name"]
    if name.lower() not in _HARMLESS:
        raise PipelineError(f"the function {name} may not stand in FROM: only tables of the lake")
