import ibis
import ibis.expr.datatypes as dt
import pytest
import sqlglot

from pipeline_assets.dataset.sql import schema_names, to_sql, type_name
from pipeline_assets.dataset.values.dialect import Dialect

PLAYS = ibis.table({"listener": "string", "plays": "int64"}, name="plays")


@pytest.mark.parametrize(("dialect", "reads_as"), [("duckdb", "duckdb"), ("pyspark", "spark")])
def test_expressions_compile_without_a_connection(dialect: Dialect, reads_as: str) -> None:
    totals = PLAYS.group_by("listener").aggregate(total=PLAYS.plays.sum())
    (statement,) = sqlglot.parse(to_sql(totals, dialect), dialect=reads_as)
    assert statement is not None
    assert [table.name for table in statement.find_all(sqlglot.exp.Table)] == ["plays"]


def test_the_same_expression_is_the_same_text() -> None:
    def totals() -> ibis.Table:
        return PLAYS.group_by("listener").aggregate(total=PLAYS.plays.sum())

    assert to_sql(totals(), "duckdb") == to_sql(totals(), "duckdb")


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (dt.int32, "int"),
        (dt.Int64(nullable=False), "long"),
        (dt.Decimal(18, 5), "decimal(18,5)"),
        (dt.Array(dt.Array(dt.float64)), "list<list<double>>"),
        (dt.Timestamp(), "timestamp"),
    ],
)
def test_types_are_named_as_iceberg_does(type_: dt.DataType, name: str) -> None:
    assert type_name(type_) == name


@pytest.mark.parametrize("type_", [dt.int8, dt.int16, dt.uint32, dt.Map(dt.string, dt.string)])
def test_types_that_iceberg_lacks_are_refused(type_: dt.DataType) -> None:
    with pytest.raises(ValueError, match=r"^a lake table cannot hold "):
        type_name(type_)


def test_a_schema_keeps_its_order() -> None:
    assert list(schema_names(ibis.schema({"b": "int64", "a": "string"})).items()) == [
        ("b", "long"),
        ("a", "string"),
    ]


@pytest.mark.parametrize("dialect", ["duckdb", "pyspark"])
def test_dropped_columns_are_written_in_one_order(dialect: Dialect) -> None:
    table = ibis.table({f"c{number:02}": "int64" for number in range(40)}, name="wide")
    dropped = ["c17", "c03", "c29", "c11"]
    written = to_sql(table.drop(*dropped), dialect)
    places = [written.find(name) for name in sorted(dropped)]
    assert places == sorted(places)
