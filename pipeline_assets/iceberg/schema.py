"""The Iceberg schema of a contract."""

from collections.abc import Iterator
from itertools import count

import ibis.expr.datatypes as dt
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
)

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.sql import type_name

_TYPES: dict[str, IcebergType] = {
    "int": IntegerType(),
    "long": LongType(),
    "float": FloatType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "string": StringType(),
    "date": DateType(),
    "timestamp": TimestampType(),
    "binary": BinaryType(),
}


def iceberg_schema(contract: TableContract) -> Schema:
    """The schema of a contract, in which every field is optional.

    Engines write every Parquet column as optional, and Iceberg accepts only files that agree with
    the schema. The audit forbids nulls instead.
    """
    ids = count(1)
    return Schema(
        *(
            NestedField(next(ids), column.name, _type(column.type, ids), doc=column.description)
            for column in contract.columns
        )
    )


def _type(type_: dt.DataType, ids: Iterator[int]) -> IcebergType:
    if isinstance(type_, dt.Array):
        return ListType(next(ids), _type(type_.value_type, ids), element_required=False)
    if isinstance(type_, dt.Decimal):
        return DecimalType(type_.precision, type_.scale)
    return _TYPES[type_name(type_)]
