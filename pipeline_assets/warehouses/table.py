"""A warehouse table as its contract declares it, and the types that can be sent to one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, TypeAlias

import pyarrow as pa

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.sql import identifier

PartitionValue: TypeAlias = str | int | date | datetime

# No warehouse has 8-bit and unsigned integers; these are sent in the next wider type.
_WIDENED: Final[Mapping[pa.DataType, pa.DataType]] = {
    pa.int8(): pa.int16(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.date64(): pa.date32(),
}


@dataclass(frozen=True)
class WarehouseTable:
    """A warehouse table as its contract declares it.

    Attributes:
        schema: The schema (namespace) in the warehouse.
        name: The table's name.
        columns: Names and Arrow types: booleans, integers up to 64 bits, floats, ``decimal128``,
            dates, timestamps (stored in microseconds), text and bytes.
        partition: The partition column, which is never null.
        key: The columns of the primary key, if there is one.
        description: What a row is; the table's comment in the warehouse.
        descriptions: Column name to comment.

    Raises:
        PipelineError: A warehouse does not allow a name.
    """

    schema: str
    name: str
    columns: pa.Schema
    partition: str
    key: tuple[str, ...] = ()
    description: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {self.partition, *self.key, *self.descriptions}
        if unknown := named - set(self.columns.names):
            raise PipelineError(f"{self}: {min(unknown)!r} is not one of its columns")
        if not all(map(identifier, (self.schema, self.name, *self.columns.names))):
            raise PipelineError(f"{self}: a name is empty")

    @property
    def sent(self) -> pa.Schema:
        """The columns in the types that can be sent."""
        return pa.schema([(column.name, _sent_type(column.type)) for column in self.columns])

    @property
    def sql_name(self) -> str:
        """The quoted name, with its schema."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    def __str__(self) -> str:
        return f"warehouse table {self.schema}.{self.name}"


def _sent_type(declared: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(declared):
        return pa.timestamp("us", "UTC" if declared.tz else None)
    return _WIDENED.get(declared, declared)
