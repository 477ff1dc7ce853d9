"""What an asset function may return besides a plain table expression.

A computation is data: an expression and what to do with it. It compiles to the kind, SQL and
parameters of a job in the dialect of whichever engine will run it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.dataset.structure import structure_of
from pipeline_assets.dataset.values.dialect import Dialect
from spark_resources.job import Json, Kind

STATE: Final = "state"


@dataclass(frozen=True)
class Compiled:
    """A computation in an engine's terms."""

    kind: Kind
    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fixpoint:
    """Start from a table and apply a shrinking step until the number of rows stays the same.

    Attributes:
        initial: Where to start. Every round copies it, so leave out what no round looks at.
        step: From what is left to what is left of that, with the same columns.
        result: From what is left in the end to the asset's rows; by default they are these.
        max_rounds: Beyond this many steps it fails.
        keys: Columns that the step does nothing with but ask whether they are equal: an engine may
            put numbers in their place during the rounds.
    """

    initial: ir.Table
    step: Callable[[ir.Table], ir.Table]
    result: Callable[[ir.Table], ir.Table] = lambda left: left
    max_rounds: int = 100
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Learn:
    """Feed a table to a learning job; its output has the columns of the asset's contract.

    Attributes:
        kind: Which job.
        table: What it learns from.
        parameters: Hyper-parameters, as JSON values.
    """

    kind: Kind
    table: ir.Table
    parameters: Mapping[str, Any]


Computation: TypeAlias = ir.Table | Fixpoint | Learn


def table_of(computation: Computation) -> ir.Table:
    """The expression that a computation's rows come from."""
    if isinstance(computation, Fixpoint):
        return computation.result(computation.initial)
    if isinstance(computation, Learn):
        return computation.table
    return computation


def kind_of(computation: Computation) -> Kind:
    """The kind of the job that a computation becomes."""
    if isinstance(computation, Learn):
        return computation.kind
    return "fixpoint" if isinstance(computation, Fixpoint) else "query"


def compile_computation(
    computation: Computation, contract: TableContract, dialect: Dialect
) -> Compiled:
    """Write a computation in an engine's SQL, with the columns its contract declares.

    Raises:
        ValueError: Its columns are not those of the contract.
    """
    if isinstance(computation, Learn):
        sql = to_sql(computation.table, dialect)
        return Compiled(kind_of(computation), sql, computation.parameters)
    if isinstance(computation, Fixpoint):
        return _compile_fixpoint(computation, contract, dialect)
    return Compiled(kind_of(computation), to_sql(contract.conform(computation), dialect))


def structure_of_computation(computation: Computation, contract: TableContract) -> Json:
    """What a computation does, as JSON values that do not depend on any engine's SQL.

    Raises:
        ValueError: Its columns are not those of the contract.
    """
    if isinstance(computation, Learn):
        return [computation.kind, structure_of(computation.table), computation.parameters]
    if isinstance(computation, Fixpoint):
        state = ibis.table(computation.initial.schema(), name=STATE)
        step = computation.step(state).select(*state.columns)
        result = contract.conform(computation.result(state))
        rounds = [computation.max_rounds, list(computation.keys)]
        return ["fixpoint", *map(structure_of, (computation.initial, step, result)), *rounds]
    return ["query", structure_of(contract.conform(computation))]


def _compile_fixpoint(computation: Fixpoint, contract: TableContract, dialect: Dialect) -> Compiled:
    state = ibis.table(computation.initial.schema(), name=STATE)
    step = computation.step(state).select(*state.columns)
    parameters = {
        "step_sql": to_sql(step, dialect),
        "result_sql": to_sql(contract.conform(computation.result(state)), dialect),
        "max_rounds": computation.max_rounds,
        "keys": list(computation.keys),
    }
    return Compiled(kind_of(computation), to_sql(computation.initial, dialect), parameters)
