"""Contracts: a table's names, types, descriptions and checks, declared once.

A contract is a pandera model. Everything else is read from it: the Iceberg schema, the column
schema that Dagster shows, the SQL casts, and the audit that runs before publication. pandera's own
``validate`` runs a query per check; here all checks of a table become one aggregate query.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal, TypeAlias

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pandera.ibis as pa
from pandera.api.ibis.types import IbisData
from pandera.backends.ibis.register import register_ibis_backends
from pandera.dtypes import immutable
from pandera.engines import ibis_engine

from pipeline_assets.dataset.binding.casts import is_lossless
from pipeline_assets.errors import DeclarationError

Severity: TypeAlias = Literal["error", "warn"]

Long: TypeAlias = dt.Int64
Int: TypeAlias = dt.Int32
Double: TypeAlias = dt.Float64
String: TypeAlias = dt.String
Boolean: TypeAlias = dt.Boolean
Date: TypeAlias = dt.Date
Timestamp: TypeAlias = dt.Timestamp
Binary: TypeAlias = dt.Binary
Money: TypeAlias = Annotated[dt.Decimal, 18, 5, True]

Field: Final = pa.Field


@ibis_engine.Engine.register_dtype(equivalents=[dt.Array(dt.float32)])
@immutable(init=True)
class FloatList(ibis_engine.DataType):
    """A list of 32-bit floats, for embeddings."""

    def __init__(self) -> None:
        object.__setattr__(self, "type", dt.Array(dt.float32))


class Contract(pa.DataFrameModel):
    """Base of all contracts; the first line of a subclass's docstring states the grain."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Its name.
        type: Its Ibis type.
        nullable: Whether nulls are allowed.
        description: What it means.
        classes: The values it may have, if these are all there are.
    """

    name: str
    type: dt.DataType
    nullable: bool
    description: str
    classes: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Check:
    """A promise about a table, written as a query for the rows that break it.

    Attributes:
        name: Also the name of the Dagster asset check.
        description: What holds when it passes.
        severity: ``error`` keeps the table from being published; ``warn`` only tells.
        failing: From the output table and the input tables named by ``inputs`` to the failing rows.
        inputs: Names of the asset's inputs it looks at besides the output.
        key: Columns, if rows that differ in them never matter to each other: the check can then be
            evaluated on some of the keys at a time, in little memory.
        is_unique: Whether it promises that no two rows of the output have the same key.
        columns: Of a contract's rule, the columns that it is about.
    """

    name: str
    description: str
    severity: Severity
    failing: Callable[..., ir.Table]
    inputs: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    is_unique: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableContract:
    """What a contract says, in a form the lake works with."""

    name: str
    description: str
    columns: tuple[Column, ...]
    unique: tuple[str, ...] = ()
    checks: tuple[Check, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, model: type[Contract]) -> "TableContract":
        """Read a pandera model.

        Raises:
            ValueError: Two columns share one ``Field``, which pandera would take for one column.
        """
        register_ibis_backends()
        schema = model.to_schema()
        if set(schema.columns) != _declared(model):
            raise ValueError(f"{model.__name__}: give every column a Field of its own")
        columns = tuple(
            Column(
                name,
                column.dtype.type,
                column.nullable,
                column.description or "",
                _classes(column),
            )
            for name, column in schema.columns.items()
        )
        return cls(
            name=model.__name__,
            description=(model.__doc__ or "").strip(),
            columns=columns,
            unique=tuple(schema.unique or ()),
            checks=(*_column_checks(schema), *_unique_check(schema)),
        )

    @property
    def schema(self) -> ibis.Schema:
        """The Ibis schema."""
        return ibis.schema({column.name: column.type for column in self.columns})

    def with_column_type(self, name: str, type_: dt.DataType | None) -> "TableContract":
        """The same with another type for a column; None leaves everything as it is."""
        if type_ is None:
            return self
        retyped = [replace(c, type=type_) if c.name == name else c for c in self.columns]
        return replace(self, columns=tuple(retyped))

    def conform(self, table: ir.Table) -> ir.Table:
        """Order and cast a table's columns as declared.

        Raises:
            DeclarationError: The table lacks a declared column or has one too many, or a cast could
                lose something.
        """
        self.require(table.schema())
        return table.select(_cast(table[column.name], column) for column in self.columns)

    def require(self, rows: Mapping[str, dt.DataType]) -> None:
        """Refuse rows that are not what is declared, or that a cast could change.

        Args:
            rows: The types of their columns by name.

        Raises:
            DeclarationError: It names the columns.
        """
        declared, actual = set(self.schema.names), set(rows)
        if declared != actual:
            raise DeclarationError(
                f"{self.name}: missing columns {sorted(declared - actual)}, "
                f"undeclared columns {sorted(actual - declared)}"
            )
        for column in self.columns:
            _require_lossless(self.name, rows[column.name], column)


def _declared(model: type[Contract]) -> set[str]:
    contracts = [base for base in model.__mro__ if issubclass(base, Contract)]
    return {name for base in contracts for name in vars(base).get("__annotations__", {})}


def _classes(column: Any) -> tuple[Any, ...]:  # noqa: ANN401 - pandera is untyped
    allowed = (check.statistics.get("allowed_values") for check in column.checks)
    return tuple(sorted(next((values for values in allowed if values), ())))


def _require_lossless(contract: str, actual: dt.DataType, column: Column) -> None:
    if not is_lossless(actual, column.type):
        raise DeclarationError(
            f"{contract}: `{column.name}` is {column.type} by contract, and the function returns "
            f"{actual}, which may lose something: cast it in the function as you mean it, "
            f'such as .round().cast("{column.type}"), or change the contract'
        )


def _cast(value: ir.Value, column: Column) -> ir.Value:
    same = value.type().copy(nullable=True) == column.type.copy(nullable=True)
    return value if same else value.cast(column.type).name(column.name)


def _column_checks(schema: Any) -> Iterator[Check]:  # noqa: ANN401 - pandera is untyped
    for name, column in schema.columns.items():
        if not column.nullable:
            yield Check(
                name=f"{name}_not_null",
                description=f"`{name}` is never null.",
                severity="error",
                failing=_nulls(name),
                columns=(name,),
            )
        for check in column.checks:
            yield Check(
                name=f"{name}_{check.name}",
                description=f"Every `{name}` satisfies {check.error}.",
                severity="warn" if check.raise_warning else "error",
                failing=_violations(name, check),
                columns=(name,),
            )


def _nulls(name: str) -> Callable[[ir.Table], ir.Table]:
    return lambda output: output.filter(output[name].isnull())


def _violations(name: str, check: Any) -> Callable[[ir.Table], ir.Table]:  # noqa: ANN401
    def failing(output: ir.Table) -> ir.Table:
        verdicts = check._check_fn(IbisData(output, name), **check._check_kwargs)
        holds = verdicts.op().values[name].to_expr()
        return output.filter(~holds)

    return failing


def _unique_check(schema: Any) -> Iterator[Check]:  # noqa: ANN401 - pandera is untyped
    if schema.unique:
        key = list(schema.unique)
        described = ", ".join(f"`{name}`" for name in key)
        yield Check(
            name="unique_key",
            description=f"{described} identify a row.",
            severity="error",
            failing=_duplicates(key),
            key=tuple(key),
            is_unique=True,
            columns=tuple(key),
        )


def _duplicates(key: list[str]) -> Callable[[ir.Table], ir.Table]:
    def failing(output: ir.Table) -> ir.Table:
        counted = output.group_by(key).aggregate(copies=output.count())
        return counted.filter(counted.copies > 1)

    return failing
