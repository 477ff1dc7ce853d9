"""From checks to one audit query.

Every check is a query for failing rows. Those that only filter the output become one conditional
count each in a single pass over it; the others become one-row subqueries beside it. A check with a
key is counted by itself on DuckDB, which can do so in little memory, some of the keys at a time.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import ibis.expr.operations as ops
import ibis.expr.types as ir

from pipeline_assets.dataset.contract import Check
from pipeline_assets.dataset.sql import rows_where, to_sql
from pipeline_assets.dataset.values.dialect import Dialect
from spark_resources.job import Audit, KeyedCheck

OUTPUT: Final = "output"
EXAMPLES: Final = 5


def build_audit(
    output: ir.Table,
    inputs: Mapping[str, ir.Table],
    checks: Iterable[Check],
    reports: Mapping[str, ir.Table],
    dialect: Dialect,
    measures: Mapping[str, ir.Scalar] = MappingProxyType({}),
) -> Audit:
    """Compile checks, reports and measures.

    Args:
        output: The unbound table that the checks promise something of, usually ``output``.
        inputs: The asset's input tables by name.
        checks: What to count and exemplify.
        reports: Named small tables that travel back in the manifest.
        dialect: The engine's.
        measures: Aggregates of the output that are taken in the same pass as the checks.
    """
    checks = tuple(checks)
    failing = {
        check.name: check.failing(output, *(inputs[name] for name in check.inputs))
        for check in checks
    }
    keyed = {check.name: check for check in checks if check.key and dialect == "duckdb"}
    summarised = {name: table for name, table in failing.items() if name not in keyed}
    return Audit(
        summary_sql=to_sql(_summary(output, summarised, measures, dialect), dialect),
        examples_sql={
            name: to_sql(table.limit(EXAMPLES), dialect) for name, table in failing.items()
        },
        report_sql={name: to_sql(table, dialect) for name, table in reports.items()},
        keyed={
            name: KeyedCheck(
                check.key, to_sql(_counted(failing[name], name), dialect), check.is_unique
            )
            for name, check in keyed.items()
        },
    )


def _summary(
    output: ir.Table,
    failing: Mapping[str, ir.Table],
    measures: Mapping[str, ir.Scalar],
    dialect: Dialect,
) -> ir.Table:
    filters = {name: _predicate(table, output) for name, table in failing.items()}
    counts = {
        name: rows_where(_by_dictionary(predicate) if dialect == "duckdb" else predicate)
        for name, predicate in filters.items()
        if predicate is not None
    }
    summary = output.aggregate(rows=output.count(), **counts, **measures)
    for name, predicate in filters.items():
        if predicate is None:
            summary = summary.cross_join(_counted(failing[name], name))
    return summary


def _counted(failing: ir.Table, name: str) -> ir.Table:
    return failing.aggregate(**{name: failing.count()})


def _predicate(table: ir.Table, output: ir.Table) -> ir.BooleanValue | None:
    """The condition of a table that is nothing but a filter over the output, else None."""
    operation = table.op()
    if not isinstance(operation, ops.Filter) or operation.parent != output.op():
        return None
    first, *rest = (predicate.to_expr() for predicate in operation.predicates)
    for predicate in rest:
        first = first & predicate
    return first


def _by_dictionary(predicate: ir.BooleanValue) -> ir.BooleanValue:
    """Ask lists for texts: DuckDB looks each entry of a dictionary up once, but IN every row."""
    texts = (found for found in predicate.op().find(ops.InValues) if found.value.dtype.is_string())
    lists = {found: ops.ArrayContains(ops.Array(found.options), found.value) for found in texts}
    return predicate.op().replace(lists).to_expr()
