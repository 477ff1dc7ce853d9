"""Column lineage, read off the expression itself.

Every Ibis relation knows the expression behind each of its columns, so lineage is a walk from an
output column down to the columns of the input tables.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import ibis.expr.operations as ops
import ibis.expr.types as ir

InputColumn: TypeAlias = tuple[str, str]
LINE: Final = "line"
Seen: TypeAlias = dict[tuple[ops.Relation, str], frozenset[InputColumn]]


def column_lineage(table: ir.Table) -> Mapping[str, frozenset[InputColumn]]:
    """The input columns that feed each output column.

    Columns that only decide which rows are there (filters, join keys) are not part of it.

    Args:
        table: An expression over unbound tables.

    Returns:
        Output column to pairs of input table name and input column name. A column that is one
        field of a line is named after it: ``line.sample_id``.
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
    found = frozenset[InputColumn]().union(*steps)
    if _is_field_of_text(relation.values.get(name)):
        return frozenset((table, f"{of}.{name}" if of == LINE else of) for table, of in found)
    return found


def _is_field_of_text(value: ops.Value | None) -> bool:
    """Whether a column is one of the fields of a text that was split at a delimiter."""
    if not isinstance(value, ops.ArrayIndex) or not isinstance(value.index, ops.Literal):
        return False
    split = value.arg
    if isinstance(split, ops.Field):
        split = split.rel.values.get(split.name)
    return isinstance(split, ops.StringSplit)


def _parents(relation: ops.Relation, name: str) -> Iterator[tuple[ops.Relation, str]]:
    if name in relation.values:
        fields = relation.values[name].find(ops.Field, filter=ops.Value)
        yield from ((field.rel, field.name) for field in fields)
    else:
        children = (child for child in relation.__children__ if isinstance(child, ops.Relation))
        yield from ((child, name) for child in children if name in child.schema)
