"""What an expression computes, as plain data that does not depend on how it is worded in SQL.

A version that hashes SQL changes with every release of Ibis or SQLGlot that words the same query
differently, and would have a whole lake computed anew. This is the expression itself: its
operations, what they are applied to, and the values in them.
"""

from collections.abc import Callable
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.common.collections import FrozenOrderedDict

Place: TypeAlias = Callable[[ops.Node], int]

_COUNTED_UP: Final = {(ops.Argument, "name"), (ops.SelfReference, "identifier")}
"""Arguments that only keep two operations apart; their places do that here."""


def structure_of(table: ir.Table) -> list[Any]:
    """The operations of an expression, each after those it is applied to, as JSON values.

    An operation is its class name and its arguments by name; ``{"#": 3}`` stands for the result of
    operation 3. Of an unbound table only the name counts: which columns matter, and their types,
    stands in the fields that are read. What Ibis counts up is left out.
    """
    places: dict[ops.Node, int] = {}
    operations: list[Any] = []

    def place(node: ops.Node) -> int:
        if node not in places:
            arguments = _arguments(node, place)  # places what the node is applied to
            operations.append([_name(node), arguments])
            places[node] = len(places)
        return places[node]

    place(table.op())
    return operations


def _name(node: ops.Node) -> str:
    """Its class; of an engine's own function that function, whose class Ibis counts up."""
    is_function = isinstance(node, ops.ScalarUDF | ops.AggUDF)
    return str(node.__func_name__ if is_function else type(node).__name__)


def _arguments(node: ops.Node, place: Place) -> dict[str, Any]:
    if isinstance(node, ops.UnboundTable):
        return {"name": node.name}
    found = {
        name: _plain(value, place)
        for name, value in zip(node.argnames, node.args, strict=True)
        if (type(node), name) not in _COUNTED_UP
    }
    if isinstance(node, ops.Field):
        found["dtype"] = str(node.dtype)
    return found


def _plain(value: Any, place: Place) -> Any:  # noqa: ANN401 - arguments of any kind
    if isinstance(value, ops.Node):
        return {"#": place(value)}
    if isinstance(value, dict | FrozenOrderedDict):
        return [[name, _plain(each, place)] for name, each in value.items()]
    if isinstance(value, tuple | list):
        return [_plain(each, place) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else _told(value)


def _told(value: Any) -> Any:  # noqa: ANN401 - whatever else Ibis puts into an operation
    """A type, a set of names, a member of an enumeration; of any other object, its class."""
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if isinstance(value, Enum):
        return value.name
    is_plain = isinstance(value, dt.DataType | Decimal | date | time | timedelta | UUID | bytes)
    return str(value) if is_plain else type(value).__name__
