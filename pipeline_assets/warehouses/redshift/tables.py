"""Tables in Redshift: those that readers see, and those that loads are on their way in."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.sql import identifier
from pipeline_assets.warehouses.redshift.load import (
    CREATE_RECORD,
    RECORD,
    StagedTable,
    record_of,
)
from pipeline_assets.warehouses.redshift.session import ConflictError, Session
from pipeline_assets.warehouses.redshift.sql import (
    REDSHIFT,
    create_table,
    literal,
    staged_schema,
)
from pipeline_assets.warehouses.statements import FoundTable
from pipeline_assets.warehouses.table import WarehouseTable

STAGING: Final = "loading_"
"""How the names of tables begin that a load is on its way in; the time follows."""
LEFT_OVER: Final = timedelta(days=2)
"""A load that began so long ago has died."""
TRIES: Final = 5
_TIME: Final = "%Y%m%dt%H%M%S"


def require_lower_case(table: WarehouseTable) -> None:
    """Refuse names that Redshift would write otherwise.

    Raises:
        PipelineError: A name has a capital.
    """
    for name in (table.schema, table.name, *table.columns.names):
        if name != name.lower():
            raise PipelineError(f"{table}: Redshift has no capitals in names; rename {name!r}")


def ensure_table(session: Session, table: WarehouseTable) -> None:
    """Create schema, table and record, or add missing columns; many processes may do so at once.

    Raises:
        PipelineError: The table has a column of another type, one that the contract has not, or
            another primary key.
    """
    for remaining in reversed(range(TRIES)):
        changes = list(_changes(session, table))
        if not changes:
            return
        try:
            session.run_together(changes)
        except ConflictError:
            # Another load was first; what is left to do shows when one looks again.
            if not remaining:
                raise


def _changes(session: Session, table: WarehouseTable) -> Iterator[str]:
    """The statements that turn what is found into what is declared."""
    record = session.run(_FOUND.format(schema=literal(table.schema), name=literal(RECORD)))
    found = REDSHIFT.found(session.run, table)
    if not record:
        yield f"CREATE SCHEMA IF NOT EXISTS {identifier(table.schema)}"
        yield CREATE_RECORD.format(record=record_of(table.schema))
    if found is None:
        yield create_table(table)
    else:
        REDSHIFT.refuse_conflicts(table, found, _primary_key(session, found))
        yield from REDSHIFT.add_columns(table, found)
    yield from REDSHIFT.comments(table, found)


def _primary_key(session: Session, found: FoundTable) -> tuple[str, ...]:
    keys = session.run(_KEY.format(oid=found.oid))
    if not keys:
        return ()
    names = keys[0]["definition"].partition("(")[2].rpartition(")")[0]
    return tuple(name.strip().strip('"') for name in names.split(","))


def staging_name(schema: str, load: str) -> str:
    """The quoted name of the table that a load is on its way in; it tells when the load began."""
    name = f"{STAGING}{datetime.now(UTC).strftime(_TIME)}_{load[:12]}"
    return f"{identifier(schema)}.{identifier(name)}"


def create_staging(table: WarehouseTable, staging: str) -> str:
    """The statement for a table whose columns are in the order and types of the files."""
    columns = [
        f"{identifier(column.name)} {_staged_type(column)}" for column in staged_schema(table)
    ]
    return f"CREATE TABLE {staging} ({', '.join(columns)})"


def _staged_type(column: pa.Field) -> str:
    alone = WarehouseTable("s", "t", pa.schema([column]), column.name)
    return REDSHIFT.sql_types(alone)[column.name]


def drop_left_over(session: Session, schema: str) -> None:
    """Drop the tables of loads that have died, which nobody else would."""
    found = session.run(_STAGINGS.format(schema=literal(schema), prefix=literal(STAGING)))
    oldest = (datetime.now(UTC) - LEFT_OVER).strftime(f"{STAGING}{_TIME}")
    for name in (row["name"] for row in found if row["name"] < oldest):
        session.run(f"DROP TABLE IF EXISTS {identifier(schema)}.{identifier(name)}")


def require_complete(session: Session, staged: StagedTable) -> None:
    """Refuse a load of which rows were lost on the way.

    Raises:
        PipelineError: The staging table has not as many rows as were sent.
    """
    (found,) = session.run(f"SELECT count(*) AS rows FROM {staged.staging}")  # noqa: S608
    sent = sum(staged.rows.values())
    if found["rows"] != sent:
        raise PipelineError(f"{staged.table}: {sent:,} rows were sent, {found['rows']:,} arrived")


def require_unique(session: Session, staged: StagedTable) -> None:
    """Refuse rows that share a key, which to Redshift is only a hint.

    Raises:
        PipelineError: Two of the new rows do, or one and a row of another partition.
    """
    table, key = staged.table, staged.table.key
    if not key:
        return
    columns = ", ".join(map(identifier, key))
    rows = f"SELECT {columns} FROM {staged.staging}"  # noqa: S608
    if table.partition not in key:
        chosen = ", ".join(map(REDSHIFT.literal, staged.values))
        others = f"{identifier(table.partition)} NOT IN ({chosen})"
        rows += f" UNION ALL SELECT {columns} FROM {table.sql_name} WHERE {others}"  # noqa: S608
    doubled = session.run(
        f"SELECT {columns} FROM ({rows}) AS every_row GROUP BY {columns} "  # noqa: S608
        "HAVING count(*) > 1 LIMIT 1"
    )
    if doubled:
        values = ", ".join(map(str, doubled[0].values()))
        raise PipelineError(f"{table}: two rows share the key {', '.join(key)}: ({values})")


def load_error(session: Session, staged: StagedTable) -> str:
    """What Redshift has logged about a COPY into the staging table; empty if nothing."""
    schema, name = staged.table.schema, staged.staging.rpartition(".")[2].strip('"')
    found = session.run(_FOUND.format(schema=literal(schema), name=literal(name)))
    logged = session.run(_LOAD_ERRORS.format(oid=found[0]["oid"])) if found else []
    if not logged:
        return ""
    first = {column: str(value).strip() for column, value in logged[0].items()}
    place = f"{first['file_name']}, row {first['line_number']}, column {first['column_name']}"
    return f"{first['error_message']} ({place}); "


_FOUND = """
    SELECT c.oid::bigint AS oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {name}"""
_STAGINGS = """
    SELECT c.relname::text AS name FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relkind = 'r' AND left(c.relname::text, 8) = {prefix}"""
_KEY = """
    SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE conrelid = {oid} AND contype = 'p'"""
_LOAD_ERRORS = """
    SELECT file_name, line_number, column_name, error_message FROM sys_load_error_detail
    WHERE table_id = {oid} ORDER BY start_time DESC LIMIT 1"""
