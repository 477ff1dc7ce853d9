from typing import Any

import ibis
import pytest
from pyiceberg.types import (
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    StringType,
    TimestampType,
)

from pipeline_assets.dataset.contract import (
    Boolean,
    Check,
    Contract,
    Date,
    Double,
    Field,
    FloatList,
    Int,
    Long,
    Money,
    String,
    TableContract,
    Timestamp,
)
from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.iceberg.schema import iceberg_schema
from pipeline_assets.publish.metadata import column_schema


class Orders(Contract):
    """One row per order."""

    order: Long = Field(ge=1, description="Its number.")
    channel: String = Field(isin=["shop", "web"], description="Where it was placed.")
    code: String = Field(str_matches="^[A-Z]+$", nullable=True, description="Of a voucher.")
    rating: Int = Field(in_range={"min_value": 1, "max_value": 5}, raise_warning=True)
    day: Date

    class Config:
        unique = ("channel", "order")


class Everything(Contract):
    """One row per type there is."""

    whole: Int
    longer: Long
    real: Double
    money: Money
    flag: Boolean
    text: String
    day: Date
    moment: Timestamp
    vector: FloatList


ORDERS = TableContract.of(Orders)
GOOD = {"order": 1, "channel": "web", "code": "X", "rating": 3, "day": "2024-01-01"}


def orders(*changes: dict[str, Any]) -> ibis.Table:
    """Orders that are good but for the changes."""
    rows = [GOOD | change for change in changes]
    table = ibis.memtable(rows, schema={**ORDERS.schema, "day": "string"})
    return table.mutate(day=table.day.cast("date"))


def rows(table: ibis.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return found


def check(name: str) -> Check:
    (found,) = (check for check in ORDERS.checks if check.name == name)
    return found


def test_a_contract_tells_grain_columns_and_keys() -> None:
    assert (ORDERS.name, ORDERS.description) == ("Orders", "One row per order.")
    assert ORDERS.unique == ("channel", "order")
    order, _, code, *_ = ORDERS.columns
    assert (order.name, str(order.type), order.nullable) == ("order", "int64", False)
    assert (code.nullable, code.description) == (True, "Of a voucher.")


def test_every_promise_is_a_check_that_names_its_column() -> None:
    assert {check.name: check.severity for check in ORDERS.checks} == {
        "order_not_null": "error",
        "order_greater_than_or_equal_to": "error",
        "channel_not_null": "error",
        "channel_isin": "error",
        "code_str_matches": "error",
        "rating_not_null": "error",
        "rating_in_range": "warn",
        "day_not_null": "error",
        "unique_key": "error",
    }
    assert all(check.description for check in ORDERS.checks)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("order_not_null", {"order": None}),
        ("order_greater_than_or_equal_to", {"order": 0}),
        ("channel_not_null", {"channel": None}),
        ("channel_isin", {"channel": "fax"}),
        ("code_str_matches", {"code": "x"}),
        ("rating_not_null", {"rating": None}),
        ("rating_in_range", {"rating": 6}),
        ("day_not_null", {"day": None}),
    ],
)
def test_a_check_finds_the_bad_row_and_only_that(name: str, bad: dict[str, Any]) -> None:
    fine = {"order": 2, "code": None}
    (failing,) = rows(check(name).failing(orders(fine, bad)))
    assert failing.items() >= bad.items()
    assert rows(check(name).failing(orders(fine))) == []


def test_a_key_that_occurs_twice_is_found_once() -> None:
    twice = orders({}, {}, {"order": 2}, {"channel": "shop"})
    assert rows(check("unique_key").failing(twice)) == [{"channel": "web", "order": 1, "copies": 2}]


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        ("whole", IntegerType()),
        ("longer", LongType()),
        ("real", DoubleType()),
        ("money", DecimalType(18, 5)),
        ("text", StringType()),
        ("day", DateType()),
        ("moment", TimestampType()),
    ],
)
def test_every_type_has_one_of_iceberg(column: str, type_: IcebergType) -> None:
    assert iceberg_schema(TableContract.of(Everything)).find_type(column) == type_


def test_a_vector_is_a_list_whose_ids_are_its_own() -> None:
    schema = iceberg_schema(TableContract.of(Everything))
    vector = schema.find_type("vector")
    assert isinstance(vector, ListType)
    assert (vector.element_type, vector.element_required) == (FloatType(), False)
    ids = [field.field_id for field in schema.fields]
    assert len({*ids, vector.element_id}) == len(ids) + 1


def test_engines_and_people_are_told_the_same_types() -> None:
    everything = TableContract.of(Everything)
    names = schema_names(everything.schema)
    assert names["money"] == "decimal(18,5)"
    assert names["vector"] == "list<float>"
    assert {column.name: column.type for column in column_schema(everything).columns} == names


def test_dagster_shows_descriptions_and_constraints() -> None:
    columns = {column.name: column for column in column_schema(ORDERS).columns}
    assert columns["order"].description == "Its number."
    assert not columns["order"].constraints.nullable
    assert columns["code"].constraints.nullable
    assert not columns["order"].constraints.unique  # only together with the channel


def test_results_are_ordered_and_cast_as_declared() -> None:
    table = ibis.memtable([{"b": 1, "a": 7}], schema={"b": "int8", "a": "int32"})

    class Two(Contract):
        """One row."""

        a: Long
        b: Int

    conformed = TableContract.of(Two).conform(table)
    assert conformed.schema() == ibis.schema({"a": "int64", "b": "int32"})
    assert rows(conformed) == [{"a": 7, "b": 1}]


def test_a_result_with_other_columns_is_a_mistake_in_the_code() -> None:
    with pytest.raises(
        ValueError, match=r"^Orders: missing columns \['order'\], undeclared columns \['id'\]$"
    ):
        ORDERS.conform(orders({}).rename(id="order"))
