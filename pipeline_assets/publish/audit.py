"""From checks to one audit query.

Every check is a query for failing rows. Those that only filter the output become one conditional
count each in a single pass over it; the others become one-row subqueries beside it. A check with a
key is counted by itself on DuckDB and on Spark, which have cheaper ways to see that keys differ.
They also get the conditional counts one by one: Spark takes them while it writes, and DuckDB knows
some of them from the footers of the files.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Final

import ibis.expr.operations as ops
import ibis.expr.types as ir

from pipeline_assets.dataset.contract import Check
from pipeline_assets.dataset.sql import aggregates_sql, rows_where, to_sql
from pipeline_assets.dataset.values.dialect import Dialect
from spark_resources.job import Audit, Bound, KeyedCheck

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
    keyed = {check.name: check for check in checks if check.key and dialect != "trino"}
    summarised = {name: table for name, table in failing.items() if name not in keyed}
    # Checks of what was published before have no rows on their way to a file.
    is_divided = dialect != "trino" and output.get_name() == OUTPUT
    filters = {
        name: _predicate(table, output, alone=is_divided) for name, table in summarised.items()
    }
    aggregates = {**_aggregates(output, filters, dialect), **measures}
    others = [_counted(summarised[name], name) for name, it in filters.items() if it is None]
    asked = others if is_divided else [output.aggregate(**aggregates), *others]
    return Audit(
        summary_sql=to_sql(reduce(ir.Table.cross_join, asked), dialect) if asked else "",
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
        aggregates=aggregates_sql(output.aggregate(**aggregates), dialect) if is_divided else {},
        bounds=_bounds(output, aggregates, filters) if is_divided else {},
    )


def _aggregates(
    output: ir.Table, filters: Mapping[str, ir.BooleanValue | None], dialect: Dialect
) -> dict[str, ir.Scalar]:
    """The number of rows, and how many of them meet each filter."""
    counts: dict[str, ir.Scalar] = {
        name: rows_where(_by_dictionary(predicate) if dialect == "duckdb" else predicate)
        for name, predicate in filters.items()
        if predicate is not None
    }
    return {"rows": output.count(), **counts}


def _counted(failing: ir.Table, name: str) -> ir.Table:
    return failing.aggregate(**{name: failing.count()})


def _bounds(
    output: ir.Table,
    aggregates: Mapping[str, ir.Scalar],
    filters: Mapping[str, ir.BooleanValue | None],
) -> dict[str, Bound]:
    """The aggregates that count nothing but nulls of a column, or integers beyond a bound."""
    columns = [name for name, type_ in output.schema().items() if not type_.is_nested()]
    nulls = {rows_where(output[name].isnull()).op(): Bound(name) for name in columns}
    of_nulls = {it: nulls[each.op()] for it, each in aggregates.items() if each.op() in nulls}
    of_filters = {name: _bound(it.op(), output) for name, it in filters.items() if it is not None}
    return of_nulls | {name: bound for name, bound in of_filters.items() if bound is not None}


def _bound(predicate: ops.Node, output: ir.Table) -> Bound | None:
    """The bound beyond which a predicate holds, if it is one of an integer column."""
    within = predicate.arg if isinstance(predicate, ops.Not) else None
    if not isinstance(within, ops.GreaterEqual | ops.LessEqual):
        return None
    column, limit = within.left, within.right
    is_plain = isinstance(column, ops.Field) and column.rel == output.op()
    if not is_plain or not isinstance(limit, ops.Literal):
        return None
    if not (column.dtype.is_integer() and limit.dtype.is_integer()):
        return None
    is_least = isinstance(within, ops.GreaterEqual)
    return Bound(column.name, **{"least" if is_least else "greatest": int(limit.value)})


def _predicate(table: ir.Table, output: ir.Table, *, alone: bool) -> ir.BooleanValue | None:
    """The condition of a table that is nothing but a filter over the output, else None.

    Args:
        table: The table.
        output: The output.
        alone: Whether the condition may look at nothing but the row itself, so not at an aggregate.
    """
    operation = table.op()
    if not isinstance(operation, ops.Filter) or operation.parent != output.op():
        return None
    looked_at = {it for each in operation.predicates for it in each.find(ops.Relation)}
    if alone and looked_at - {output.op()}:
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
