"""Column lineage, read off the expression itself.

Every Ibis relation knows the expression behind each of its columns, so lineage is a walk from an
output column down to the columns of the input tables.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import ibis.expr.operations as ops
import ibis.expr.types as ir

InputColumn: TypeAlias = tuple[str, str]
Seen: TypeAlias = dict[tuple[ops.Relation, str], frozenset[InputColumn]]


def column_lineage(table: ir.Table) -> Mapping[str, frozenset[InputColumn]]:
    """The input columns that feed each output column.

    Columns that only decide which rows are there (filters, join keys) are not part of it.

    Args:
        table: An expression over unbound tables.

    Returns:
        Output column to pairs of input table name and input column name.
    """
    seen: Seen = {}
    return {name: _trace(table.op(), name, seen) for name in table.columns}


def _trace(relation: ops.Relation, name: str, seen: Seen) -> frozenset[InputColumn]:
    if (relation, name) not in seen:
        seen[relation, name] = _trace_anew(relation, name, seen)
    return seen[relation, name]


def _trace_anew(relation: ops.Relation, name: str, seen: Seen) -> frozenset[InputColumn]:
    if isinstance(relation, ops.UnboundTable):
        return frozenset({(relation.name, name)})
    steps = [_trace(parent, column, seen) for parent, column in _parents(relation, name)]
    return frozenset().union(*steps)


def _parents(relation: ops.Relation, name: str) -> Iterator[tuple[ops.Relation, str]]:
    if name in relation.values:
        fields = relation.values[name].find(ops.Field, filter=ops.Value)
        yield from ((field.rel, field.name) for field in fields)
    else:
        children = (child for child in relation.__children__ if isinstance(child, ops.Relation))
        yield from ((child, name) for child in children if name in child.schema)
