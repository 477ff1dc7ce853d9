"""The SQL that Postgres and Redshift have in common, with the words in which they differ.

A table that is there is never changed beyond new columns and comments. Any other difference between
it and its contract is an error: to drop or convert a column of somebody's warehouse is a decision
for a person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import pyarrow as pa

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.sql import Value, identifier
from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable

Run: TypeAlias = Callable[[str], list[dict[str, Any]]]

NUMBERS_AND_TIMES: Final[Mapping[pa.DataType, str]] = {
    pa.bool_(): "boolean",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp without time zone",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
}
"""The types that Postgres and Redshift call alike; they differ in texts and bytes."""


@dataclass(frozen=True)
class FoundTable:
    """A table as it is in the warehouse.

    Attributes:
        oid: Its number in the catalog.
        comment: What it says of itself.
        types: Column name to SQL type.
        comments: Column name to comment.
    """

    oid: int
    comment: str | None
    types: Mapping[str, str]
    comments: Mapping[str, str | None]


@dataclass(frozen=True)
class Statements:
    """Statements in the words of one warehouse.

    Attributes:
        types: Arrow type to SQL type, as the catalog shows it.
        literal: Writes a value.
    """

    types: Mapping[pa.DataType, str]
    literal: Callable[[Value], str]

    def sql_types(self, table: WarehouseTable) -> dict[str, str]:
        """Column name to SQL type.

        Raises:
            PipelineError: The warehouse has no type for a column.
        """
        return {column.name: self._sql_type(table, column) for column in table.sent}

    def create(self, table: WarehouseTable) -> str:
        """The statement that creates the table; a warehouse may add clauses."""
        columns = [self._column(table, name) for name in table.columns.names]
        if table.key:
            columns.append(f"PRIMARY KEY ({', '.join(map(identifier, table.key))})")
        return f"CREATE TABLE {table.sql_name} ({', '.join(columns)})"

    def add_columns(self, table: WarehouseTable, found: FoundTable) -> list[str]:
        """Statements for the columns that the contract has gained."""
        added = [name for name in table.columns.names if name not in found.types]
        columns = [self._column(table, name) for name in added]
        return [f"ALTER TABLE {table.sql_name} ADD COLUMN {column}" for column in columns]

    def comments(self, table: WarehouseTable, found: FoundTable | None) -> list[str]:
        """Statements for the comments that differ; the table's own has the empty name."""
        known = {"": found.comment, **found.comments} if found else {}
        wanted = {"": table.description, **table.descriptions}
        return [
            f"COMMENT ON {_commented(table, name)} IS {self.literal(text)}"
            for name, text in wanted.items()
            if text and known.get(name) != text
        ]

    def delete(self, table: WarehouseTable, values: Sequence[PartitionValue]) -> str:
        """The statement that empties partitions."""
        chosen = ", ".join(map(self.literal, values))
        return f"DELETE FROM {table.sql_name} WHERE {identifier(table.partition)} IN ({chosen})"  # noqa: S608

    def found(self, run: Run, table: WarehouseTable) -> FoundTable | None:
        """The table as the catalog shows it; None if there is none."""
        schema, name = self.literal(table.schema), self.literal(table.name)
        tables = run(_TABLE.format(schema=schema, name=name))
        if not tables:
            return None
        columns = run(_COLUMNS.format(oid=tables[0]["oid"]))
        return FoundTable(
            oid=tables[0]["oid"],
            comment=tables[0]["comment"],
            types={column["name"]: column["type"] for column in columns},
            comments={column["name"]: column["comment"] for column in columns},
        )

    def refuse_conflicts(
        self, table: WarehouseTable, found: FoundTable, primary_key: tuple[str, ...]
    ) -> None:
        """Refuse a table that would need more than new columns to be the declared one.

        Raises:
            PipelineError: It has a column of another type, one that the contract has not, or
                another primary key.
        """
        declared = self.sql_types(table)
        for name, there in found.types.items():
            if name not in declared:
                raise PipelineError(
                    f"{table} has a column {name!r} the contract dropped; put it back or drop it "
                    "there"
                )
            if there != declared[name]:
                raise PipelineError(
                    f"{table}: column {name!r} is {there} there and {declared[name]} in the "
                    "contract; alter one of them"
                )
        if table.key and primary_key != table.key:
            raise PipelineError(
                f"{table}: its primary key is {list(primary_key)} there and {list(table.key)} in "
                "the contract; alter one of them"
            )

    def _column(self, table: WarehouseTable, name: str) -> str:
        required = " NOT NULL" if name in (table.partition, *table.key) else ""
        return f"{identifier(name)} {self.sql_types(table)[name]}{required}"

    def _sql_type(self, table: WarehouseTable, column: pa.Field) -> str:
        if pa.types.is_decimal128(column.type):
            return f"numeric({column.type.precision},{column.type.scale})"
        if column.type not in self.types:
            raise PipelineError(f"{table}: no type there holds {column.name!r} of {column.type}")
        return self.types[column.type]


def counted(run: Run, table: WarehouseTable) -> dict[str, int]:
    """How many rows each partition of a table has, by its value as text."""
    column = f"CAST({identifier(table.partition)} AS varchar)"
    rows = run(f"SELECT {column} AS key, count(*) AS rows FROM {table.sql_name} GROUP BY 1")  # noqa: S608
    return {row["key"]: row["rows"] for row in rows}


def _commented(table: WarehouseTable, column: str) -> str:
    if not column:
        return f"TABLE {table.sql_name}"
    return f"COLUMN {table.sql_name}.{identifier(column)}"


_TABLE = """
    SELECT c.oid::bigint AS oid, obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {name}"""
_COLUMNS = """
    SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type,
           col_description(attrelid, attnum) AS comment
    FROM pg_attribute WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
