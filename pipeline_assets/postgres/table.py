"""Creates warehouse tables from contracts, and adds the columns that a contract has gained.

Any other difference between a table and its contract is an error: to drop or convert a column of
somebody's warehouse is a decision for a person.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.sql import identifier, literal

Run: TypeAlias = Callable[[str], list[dict[str, Any]]]

# COPY's binary form has no 8-bit and no unsigned integers; these are sent in the next wider type.
_WIDENED: Mapping[pa.DataType, pa.DataType] = {
    pa.int8(): pa.int16(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.date64(): pa.date32(),
}
_SQL_TYPES: Mapping[pa.DataType, str] = {
    pa.bool_(): "boolean",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp without time zone",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
    pa.string(): "text",
    pa.large_string(): "text",
    pa.binary(): "bytea",
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
        description: What a row is; the table's comment in Postgres.
        descriptions: Column name to comment.

    Raises:
        PipelineError: Postgres does not allow a name, or has no type for a column.
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
        if not all(map(identifier, (self.schema, self.name, *self.sql_types))):
            raise PipelineError(f"{self}: a name is empty")

    @property
    def sent(self) -> pa.Schema:
        """The columns in the types that COPY can send."""
        return pa.schema([(column.name, _sent_type(column.type)) for column in self.columns])

    @property
    def sql_types(self) -> dict[str, str]:
        """Column name to Postgres type."""
        return {column.name: self._sql_type(column) for column in self.sent}

    @property
    def sql_name(self) -> str:
        """The quoted name, with its schema."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    def _sql_type(self, column: pa.Field) -> str:
        if pa.types.is_decimal128(column.type):
            return f"numeric({column.type.precision},{column.type.scale})"
        if column.type not in _SQL_TYPES:
            raise PipelineError(f"{self}: no type there holds {column.name!r} of {column.type}")
        return _SQL_TYPES[column.type]

    def __str__(self) -> str:
        return f"warehouse table {self.schema}.{self.name}"


def ensure_table(run: Run, table: WarehouseTable) -> None:
    """Create the table, or add missing columns; any number of processes may do so at once.

    Args:
        run: Runs a statement in the open transaction, which the caller commits.
        table: The table as declared.

    Raises:
        PipelineError: The table has a column of another type, one that the contract has not, or
            another primary key.
    """
    begin(run)
    # Usually nothing changes, and then loads need not wait for each other's lock.
    if not _changes(table, _found_table(run, table)):
        return
    take_lock(run, "pg_advisory_xact_lock", f"{table} columns")
    # Another process may have changed the table before it let go of the lock.
    found = _found_table(run, table)
    if found is None and not run(_SCHEMA.format(schema=literal(table.schema))):
        run(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.schema)}")
    for statement in _changes(table, found):
        run(statement)


def begin(run: Run) -> None:
    """Set the isolation level and the time zone of a transaction."""
    # Under READ COMMITTED a statement sees what the last holder of a lock has committed.
    run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    run("SET LOCAL TIME ZONE 'UTC'")


def take_lock(run: Run, lock: str, name: str) -> None:
    """Wait for an advisory lock, which the transaction holds until it ends."""
    run(_LOCK.format(lock=lock, name=literal(name)))


@dataclass(frozen=True)
class _Found:
    """A table as it is in the warehouse."""

    comment: str | None
    types: Mapping[str, str]
    comments: Mapping[str, str | None]
    primary_key: tuple[str, ...]
    indexed: frozenset[str]


def _changes(table: WarehouseTable, found: _Found | None) -> list[str]:
    """The statements that turn the found table into the declared one.

    Raises:
        PipelineError: More would have to change than to add columns.
    """
    if found is None:
        return [_create(table), *_indexes(table, frozenset(table.key[:1])), *_comments(table, {})]
    _refuse_conflicts(table, found)
    added = [_column(table, name) for name in table.columns.names if name not in found.types]
    columns = [f"ALTER TABLE {table.sql_name} ADD COLUMN {column}" for column in added]
    known = {"": found.comment, **found.comments}
    return [*columns, *_indexes(table, found.indexed), *_comments(table, known)]


def _refuse_conflicts(table: WarehouseTable, found: _Found) -> None:
    for name, there in found.types.items():
        if name not in table.sql_types:
            raise PipelineError(
                f"{table} has a column {name!r} the contract dropped; put it back or drop it there"
            )
        if there != table.sql_types[name]:
            raise PipelineError(
                f"{table}: column {name!r} is {there} there and {table.sql_types[name]} in the "
                "contract; alter one of them"
            )
    if table.key and found.primary_key != table.key:
        raise PipelineError(
            f"{table}: its primary key is {list(found.primary_key)} there and {list(table.key)} in "
            "the contract; alter one of them"
        )


def _create(table: WarehouseTable) -> str:
    columns = [_column(table, name) for name in table.columns.names]
    if table.key:
        columns.append(f"PRIMARY KEY ({', '.join(map(identifier, table.key))})")
    return f"CREATE TABLE {table.sql_name} ({', '.join(columns)})"


def _column(table: WarehouseTable, name: str) -> str:
    required = " NOT NULL" if name == table.partition else ""
    return f"{identifier(name)} {table.sql_types[name]}{required}"


def _indexes(table: WarehouseTable, indexed: frozenset[str]) -> list[str]:
    """Create an index by partition, unless one (such as the key's) starts with that column."""
    if table.partition in indexed:
        return []
    return [f"CREATE INDEX ON {table.sql_name} ({identifier(table.partition)})"]


def _comments(table: WarehouseTable, known: Mapping[str, str | None]) -> list[str]:
    """Statements for the comments that differ; the table's own has the empty name."""
    wanted = {"": table.description, **table.descriptions}
    return [
        f"COMMENT ON {_commented(table, name)} IS {literal(text)}"
        for name, text in wanted.items()
        if text and known.get(name) != text
    ]


def _commented(table: WarehouseTable, column: str) -> str:
    if not column:
        return f"TABLE {table.sql_name}"
    return f"COLUMN {table.sql_name}.{identifier(column)}"


_LOCK = "SELECT 1 AS locked FROM {lock}(hashtextextended({name}, 0))"
_SCHEMA = "SELECT 1 AS one FROM pg_namespace WHERE nspname = {schema}"
_TABLE = """
    SELECT c.oid::bigint AS oid, obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {name}"""
_COLUMNS = """
    SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type,
           col_description(attrelid, attnum) AS comment
    FROM pg_attribute WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_INDEXES = """
    SELECT i.indisprimary AS is_primary,
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                 JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                 ORDER BY k.place) AS names
    FROM pg_index AS i WHERE i.indrelid = {oid}"""


def _found_table(run: Run, table: WarehouseTable) -> _Found | None:
    tables = run(_TABLE.format(schema=literal(table.schema), name=literal(table.name)))
    if not tables:
        return None
    columns = run(_COLUMNS.format(oid=tables[0]["oid"]))
    indexes = run(_INDEXES.format(oid=tables[0]["oid"]))
    primary = [tuple(index["names"]) for index in indexes if index["is_primary"]]
    return _Found(
        comment=tables[0]["comment"],
        types={column["name"]: column["type"] for column in columns},
        comments={column["name"]: column["comment"] for column in columns},
        primary_key=primary[0] if primary else (),
        indexed=frozenset(index["names"][0] for index in indexes if index["names"]),
    )


def _sent_type(declared: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(declared):
        return pa.timestamp("us", "UTC" if declared.tz else None)
    return _WIDENED.get(declared, declared)
