"""Contracts: a table's names, types, descriptions and checks, declared once.

A contract is a class whose annotations are the columns. Everything else is read from it: the
Iceberg schema, the column schema that Dagster shows, the SQL casts, and the audit that runs before
publication, in which all checks of a table are one aggregate query. The names of the checks are
those of pandera, which declared contracts before; docs/decisions_lake.md says why it does no more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_type_hints

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from pipeline_assets.dataset.binding.casts import is_lossless
from pipeline_assets.dataset.values.rules import RULES, Condition, Rule
from pipeline_assets.errors import DeclarationError

Severity: TypeAlias = Literal["error", "warn"]

Long: TypeAlias = dt.Int64
Int: TypeAlias = dt.Int32
Double: TypeAlias = dt.Float64
Float: TypeAlias = dt.Float32
String: TypeAlias = dt.String
Boolean: TypeAlias = dt.Boolean
Date: TypeAlias = dt.Date
Timestamp: TypeAlias = dt.Timestamp
Binary: TypeAlias = dt.Binary
Money: TypeAlias = Annotated[dt.Decimal, 18, 5]
FloatList: TypeAlias = Annotated[dt.Array, dt.float32]
"""A list of 32-bit floats, for embeddings."""
IntList: TypeAlias = Annotated[dt.Array, dt.int32]
StringList: TypeAlias = Annotated[dt.Array, dt.string]


class Contract:
    """Base of all contracts; the first line of a subclass's docstring states the grain.

    A column is an annotation with one of the types above, and may have a :func:`Field`. A nested
    class ``Config`` names in ``unique`` the columns that identify a row.
    """


@dataclass(frozen=True)
class Declaration:
    """What a contract says of a column besides its name and type."""

    nullable: bool = False
    description: str = ""
    severity: Severity = "error"
    rules: tuple[Rule, ...] = ()
    personal: bool = False
    renamed_from: tuple[str, ...] = ()


def Field(  # noqa: N802 - it declares a column, as in pydantic and dataclasses
    *,
    description: str = "",
    nullable: bool = False,
    raise_warning: bool = False,
    personal: bool = False,
    renamed_from: str | Sequence[str] = (),
    **rules: object,
) -> Any:  # noqa: ANN401 - it stands where a value of the column's type would
    """Declare a column.

    Args:
        description: What it means.
        nullable: Whether nulls are allowed.
        raise_warning: Whether a broken rule only warns, instead of keeping the table from being
            published.
        personal: Whether it is personal data: who somebody is, or what one person wrote or did.
        renamed_from: The name it had before, or several, latest first: what was published under
            them stays in the column.
        rules: What its values satisfy: bounds (``ge``, ``gt``, ``le``, ``lt``), ``isin`` a list,
            ``in_range`` with ``min_value`` and ``max_value``, or ``str_matches`` a regular
            expression from the first character on.

    Raises:
        TypeError: There is no such rule.
    """
    if unknown := rules.keys() - RULES.keys():
        raise TypeError(f"no such rule: {', '.join(sorted(unknown))}; rules are {', '.join(RULES)}")
    severity: Severity = "warn" if raise_warning else "error"
    found = tuple(RULES[name](value) for name, value in rules.items())
    former = (renamed_from,) if isinstance(renamed_from, str) else tuple(renamed_from)
    return Declaration(nullable, description, severity, found, personal, former)


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Its name.
        type: Its Ibis type.
        nullable: Whether nulls are allowed.
        description: What it means.
        classes: The values it may have, if these are all there are.
        personal: Whether it is personal data.
        renamed_from: Names it had before.
    """

    name: str
    type: dt.DataType
    nullable: bool
    description: str
    classes: tuple[Any, ...] = ()
    personal: bool = False
    renamed_from: tuple[str, ...] = ()


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
    def of(cls, contract: type[Contract]) -> "TableContract":
        """Read the declarations of a class; those of its base classes come first."""
        types = get_type_hints(contract, include_extras=True)
        declared = {name: getattr(contract, name, Declaration()) for name in types}
        columns = tuple(
            _column(name, _data_type(types[name]), declaration)
            for name, declaration in declared.items()
        )
        unique = tuple(getattr(getattr(contract, "Config", None), "unique", ()))
        return cls(
            name=contract.__name__,
            description=(contract.__doc__ or "").strip(),
            columns=columns,
            unique=unique,
            checks=(*_column_checks(declared), *_unique_check(unique)),
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


def _data_type(annotation: Any) -> dt.DataType:  # noqa: ANN401 - annotations are any object
    """The Ibis type of an annotation, whose parameters follow it in ``Annotated``."""
    type_, *parameters = get_args(annotation) or (annotation,)
    return type_(*parameters)


def _column(name: str, type_: dt.DataType, declaration: Declaration) -> Column:
    classes = next((rule.values for rule in declaration.rules if rule.values), ())
    return Column(
        name,
        type_,
        declaration.nullable,
        declaration.description,
        tuple(sorted(classes)),
        declaration.personal,
        declaration.renamed_from,
    )


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


def _column_checks(declared: Mapping[str, Declaration]) -> Iterator[Check]:
    for name, declaration in declared.items():
        if not declaration.nullable:
            yield Check(
                name=f"{name}_not_null",
                description=f"`{name}` is never null.",
                severity="error",
                failing=_nulls(name),
                columns=(name,),
            )
        for rule in declaration.rules:
            yield Check(
                name=f"{name}_{rule.name}",
                description=f"`{name}` {rule.text}.",
                severity=declaration.severity,
                failing=_violations(name, rule.holds),
                columns=(name,),
            )


def _nulls(name: str) -> Callable[[ir.Table], ir.Table]:
    return lambda output: output.filter(output[name].isnull())


def _violations(name: str, holds: Condition) -> Callable[[ir.Table], ir.Table]:
    return lambda output: output.filter(~holds(output[name]))


def _unique_check(key: tuple[str, ...]) -> Iterator[Check]:
    if key:
        described = ", ".join(f"`{name}`" for name in key)
        yield Check(
            name="unique_key",
            description=f"{described} identify a row.",
            severity="error",
            failing=_duplicates(key),
            key=key,
            is_unique=True,
            columns=key,
        )


def _duplicates(key: tuple[str, ...]) -> Callable[[ir.Table], ir.Table]:
    def failing(output: ir.Table) -> ir.Table:
        counted = output.group_by(key).aggregate(copies=output.count())
        return counted.filter(counted.copies > 1)

    return failing
