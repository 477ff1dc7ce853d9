"""SQL as Redshift reads it, where that differs from Postgres."""

from typing import Final

import pyarrow as pa

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres import sql as postgres_sql
from pipeline_assets.postgres.sql import Value, identifier
from pipeline_assets.warehouses.statements import NUMBERS_AND_TIMES, Statements
from pipeline_assets.warehouses.table import WarehouseTable

LONGEST_TEXT: Final = 65_535
"""In bytes: of a varchar in Redshift, which has no text without end."""

# COPY does not narrow numbers, and Parquet's timestamps of the old kind have no zone.
_STAGED: Final = {pa.int16(): pa.int32(), pa.timestamp("us", "UTC"): pa.timestamp("us")}


def literal(value: Value) -> str:
    """Write a value as a typed literal; a backslash in a text stands for what follows it.

    Raises:
        TypeError: The type has no literal, or a time has no zone.
        PipelineError: A text has a NUL character.
    """
    if not isinstance(value, str):
        return postgres_sql.literal(value)
    if "\0" in value:
        raise PipelineError(f"Redshift can't hold the NUL character in the text {value[:40]!r}")
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def role_of(iam_role: str) -> str:
    """What a statement says of the role that Redshift reads S3 and Glue with."""
    return "default" if iam_role == "default" else literal(iam_role)


REDSHIFT: Final = Statements(
    types={
        **NUMBERS_AND_TIMES,
        pa.string(): f"character varying({LONGEST_TEXT})",
        pa.large_string(): f"character varying({LONGEST_TEXT})",
    },
    literal=literal,
)


def create_table(table: WarehouseTable) -> str:
    """The statement that creates the table, with sort and distribution keys from the contract.

    Rows are sorted by partition, so that one is found and deleted without reading the others, and
    then by the rest of the key. They are spread over the nodes by the first column of the key that
    is not the partition, so that a join by it stays on its node; without one, Redshift decides.
    """
    rest = [name for name in table.key if name != table.partition]
    spread = f"DISTKEY ({identifier(rest[0])})" if rest else "DISTSTYLE AUTO"
    order = ", ".join(map(identifier, (table.partition, *rest)))
    return f"{REDSHIFT.create(table)} {spread} COMPOUND SORTKEY ({order})"


def staged_schema(table: WarehouseTable) -> pa.Schema:
    """The columns in the types that files hold and that COPY loads as they are."""
    columns = [(column.name, _STAGED.get(column.type, column.type)) for column in table.sent]
    return pa.schema(columns)


def insert_staged(table: WarehouseTable, staging: str) -> str:
    """The statement that copies all rows of a staging table into the table."""
    columns = ", ".join(map(identifier, table.columns.names))
    values = ", ".join(map(_unstaged, table.sent))
    return f"INSERT INTO {table.sql_name} ({columns}) SELECT {values} FROM {staging}"  # noqa: S608


def _unstaged(column: pa.Field) -> str:
    """A staged value in the type that it has in the table."""
    name = identifier(column.name)
    if column.type == pa.int16():
        return f"CAST({name} AS smallint)"
    if pa.types.is_timestamp(column.type) and column.type.tz:
        return f"{name} AT TIME ZONE 'UTC'"
    return name
