"""Rules: what a contract can say about the values of one column."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import ibis.expr.types as ir

Condition: TypeAlias = Callable[[Any], ir.BooleanValue]


@dataclass(frozen=True)
class Rule:
    """A condition on the values of one column; nulls satisfy every rule.

    Attributes:
        name: Of the kind of rule.
        text: For people, behind the name of a column.
        holds: From the column to whether the condition holds.
        values: What the column may hold, if the rule lists it.
    """

    name: str
    text: str
    holds: Condition
    values: tuple[Any, ...] = ()


def _at_least(least: Any) -> Rule:  # noqa: ANN401 - anything that can be compared
    name = "greater_than_or_equal_to"
    return Rule(name, f"is at least {least}", lambda value: value >= least)


def _above(bound: Any) -> Rule:  # noqa: ANN401 - as above
    return Rule("greater_than", f"is above {bound}", lambda value: value > bound)


def _at_most(most: Any) -> Rule:  # noqa: ANN401 - as above
    name = "less_than_or_equal_to"
    return Rule(name, f"is at most {most}", lambda value: value <= most)


def _below(bound: Any) -> Rule:  # noqa: ANN401 - as above
    return Rule("less_than", f"is below {bound}", lambda value: value < bound)


def _among(values: Collection[Any]) -> Rule:
    listed = list(values)
    holds: Condition = lambda value: value.isin(listed)  # noqa: E731 - as its siblings
    return Rule("isin", f"is one of {', '.join(map(str, listed))}", holds, tuple(listed))


def _within(bounds: Mapping[str, Any]) -> Rule:
    least, most = bounds["min_value"], bounds["max_value"]
    return Rule(
        "in_range", f"lies from {least} to {most}", lambda value: value.between(least, most)
    )


def _matching(pattern: str) -> Rule:
    anchored = f"^(?:{pattern})"
    return Rule(
        "str_matches",
        f"starts with a match of {pattern!r}",
        lambda value: value.re_search(anchored),
    )


RULES: Final[Mapping[str, Callable[[Any], Rule]]] = {
    "ge": _at_least,
    "gt": _above,
    "le": _at_most,
    "lt": _below,
    "isin": _among,
    "in_range": _within,
    "str_matches": _matching,
}
"""The rules by the name of their argument in a declaration."""
