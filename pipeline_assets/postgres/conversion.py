"""What Postgres' driver hands out, converted to the Arrow types that are wanted."""

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import attempt
from pipeline_assets.postgres.sql import identifier


def conformed(batch: pa.RecordBatch, wanted: pa.Schema) -> pa.RecordBatch:
    """Convert a batch to the wanted columns, order and types.

    Raises:
        PipelineError: A column is missing, or a value does not fit its type without loss.
    """
    missing = [name for name in wanted.names if name not in batch.schema.names]
    if missing:
        raise PipelineError(f"the rows have no column {missing[0]!r}, only {batch.schema.names}")
    columns = [_exact(batch.column(field.name), field) for field in wanted]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def _exact(column: pa.Array, field: pa.Field) -> pa.Array:
    if column.type == field.type:
        return column
    return attempt(
        lambda: pc.cast(column, field.type),
        lambda fault: PipelineError(f"column {field.name!r} does not fit {field.type}: {fault}"),
    )


def wanted_schema(found: pa.Schema, asked: pa.Schema | None) -> pa.Schema:
    """The schema of a query's rows: the one that was asked for, or of each column its own type.

    Raises:
        PipelineError: A name comes twice, or a number has no fixed size.
    """
    repeated = [name for name in found.names if found.names.count(name) > 1]
    if repeated:
        raise PipelineError(f"the query returns {repeated[0]!r} twice; give each an alias")
    return asked or pa.schema([(field.name, _natural_type(field)) for field in found])


def _natural_type(field: pa.Field) -> pa.DataType:
    if not _is_numeric(field):
        return field.type
    # numeric(p, s) is stored as ((p << 16) | s) + 4 in its type modifier, which is -1 without them.
    modifier = int(field.metadata[b"POSTGRESQL:typmod"]) - 4
    precision, scale = modifier >> 16, modifier & 0x7FF
    if not 0 < precision <= 38 or scale > precision:
        raise PipelineError(f"numeric column {field.name!r} has no fixed size; name it in schema=")
    return pa.decimal128(precision, scale)


def _is_numeric(field: pa.Field) -> bool:
    return isinstance(field.type, pa.OpaqueType) and field.type.type_name == "numeric"


def with_text_numbers(sql: str, found: pa.Schema) -> str:
    """Let the server write numerics as text, which Arrow parses exactly."""
    # The driver turns numerics into text as well, but that takes half as long again.
    if not any(map(_is_numeric, found)):
        return sql
    names = {identifier(field.name): _is_numeric(field) for field in found}
    columns = ", ".join(f"{n}::text AS {n}" if numeric else n for n, numeric in names.items())
    return f"SELECT {columns} FROM (\n{sql}\n) AS source"  # noqa: S608 - quoted names, caller's SQL
