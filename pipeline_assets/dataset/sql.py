"""From Ibis expressions to an engine's SQL and to the type names that jobs carry."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir

from pipeline_assets.dataset.values.dialect import Dialect

_NAMES: Mapping[type[dt.DataType], str] = {
    dt.Int32: "int",
    dt.Int64: "long",
    dt.Float32: "float",
    dt.Float64: "double",
    dt.Boolean: "boolean",
    dt.String: "string",
    dt.Date: "date",
    dt.Timestamp: "timestamp",
    dt.Binary: "binary",
}


_DROPPED: Final = re.compile(r"(?<=EXCLUDE |.EXCEPT )\(((?:[\"`][^\"`]*[\"`](?:, )?)+)\)")
_RANDOM_NAME: Final = re.compile(r"\bibis_[a-z_]+_[a-z0-9]{26}\b")


@ibis.udf.agg.builtin(name="count_if")  # type: ignore[untyped-decorator]  # ibis does not type it
def _count_if(condition: bool) -> int:
    raise NotImplementedError  # the engines' own function


def rows_where(condition: ir.BooleanValue) -> ir.IntegerScalar:
    """How often a condition holds: in DuckDB two thirds of the time of COUNT with FILTER.

    DuckDB's count_if has nothing to say of an empty table.
    """
    counted: ir.IntegerScalar = _count_if(condition).fill_null(0)
    return counted


def to_sql(table: ir.Table, dialect: Dialect) -> str:
    """Compile without a connection, and an expression that was compiled before not again.

    Runs of one process audit many partitions alike, and compiling was a seventh of what a small
    asset cost.
    """
    return _compiled(table.op(), dialect)


@lru_cache(maxsize=2048)
def _compiled(operation: ops.Node, dialect: Dialect) -> str:
    if dialect == "trino":
        return _stable(_trino(operation.to_expr()))
    getattr(ibis, dialect)  # registers the backend's options, without which Ibis cannot compile
    return _stable(str(ibis.to_sql(operation.to_expr(), dialect=dialect, pretty=False)))


def aggregates_sql(summary: ir.Table, dialect: Dialect) -> dict[str, str]:
    """The aggregates of a whole table as expressions over its columns, by name.

    >>> table = ibis.table({"n": "int64"}, name="numbers")
    >>> aggregates_sql(table.aggregate(rows=table.count(), total=table.n.sum()), "pyspark")
    {'rows': 'COUNT(*)', 'total': 'SUM(`n`)'}
    """
    return dict(_expressions(summary.op(), dialect))


@lru_cache(maxsize=2048)
def _expressions(operation: ops.Node, dialect: Dialect) -> tuple[tuple[str, str], ...]:
    from sqlglot.expressions import Column  # noqa: PLC0415 - only who compiles needs it

    compiler = _compiler(dialect)
    query = compiler.to_sqlglot(operation.to_expr())
    for column in query.find_all(Column):
        column.set("table", None)
    return tuple((it.alias, it.this.sql(dialect=compiler.dialect)) for it in query.expressions)


def _compiler(dialect: Dialect) -> Any:  # noqa: ANN401 - ibis has no types
    # Each compiler is imported by who compiles for its engine.
    if dialect == "duckdb":
        from ibis.backends.sql.compilers.duckdb import DuckDBCompiler  # noqa: PLC0415

        return DuckDBCompiler()
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler  # noqa: PLC0415

    return PySparkCompiler()


def _trino(expression: ir.Expr) -> str:
    """Compile for Athena, without the client of Trino that Ibis' own backend would import."""
    # Only who compiles for Athena needs the compiler.
    from ibis.backends.sql.compilers.trino import TrinoCompiler  # noqa: PLC0415

    class Athena(TrinoCompiler):  # type: ignore[misc]  # ibis has no types
        """Ibis' compiler with the digests that it lacks."""

        __slots__ = ()

        def visit_HexDigest(self, _op: ops.Node, *, arg: Any, how: str) -> Any:  # noqa: ANN401, N802
            return self.f.lower(self.f.to_hex(self.f[how](self.f.to_utf8(arg))))

    return str(Athena().to_sqlglot(expression).sql(dialect=Athena.dialect))


def _stable(sql: str) -> str:
    """Write one expression as the same SQL in every process.

    Ibis draws some names at random, and writes dropped columns in the order of a set.
    """
    sql = _DROPPED.sub(lambda found: f"({', '.join(sorted(found[1].split(', ')))})", sql)
    names = dict.fromkeys(_RANDOM_NAME.findall(sql))
    for number, name in enumerate(names):
        sql = sql.replace(name, f"unnested_{number}")
    return sql


def type_name(type_: dt.DataType) -> str:
    """An Ibis type as the Iceberg specification writes it.

    >>> type_name(dt.Decimal(18, 5)), type_name(dt.Array(dt.float32))
    ('decimal(18,5)', 'list<float>')

    Raises:
        ValueError: Iceberg has no such type, for instance 8- and 16-bit integers.
    """
    if isinstance(type_, dt.Decimal):
        return f"decimal({type_.precision},{type_.scale})"
    if isinstance(type_, dt.Array):
        return f"list<{type_name(type_.value_type)}>"
    if type(type_) not in _NAMES:
        raise ValueError(f"a lake table cannot hold {type_}")
    return _NAMES[type(type_)]


def schema_names(schema: ibis.Schema) -> dict[str, str]:
    """A whole schema in the type names that jobs carry."""
    return {name: type_name(type_) for name, type_ in schema.items()}
