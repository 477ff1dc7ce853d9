"""The SQL that Athena needs around a job's own query.

Inputs become common table expressions over pinned snapshots, the output becomes the Parquet files
of an UNLOAD, and an audit reads these files through an external table.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pipeline_assets.engines.standard_sql import identifier, literal
from spark_resources.job import CatalogTable, Destination, Job, Source

MOST_PARTITIONS: Final = 100
"""An UNLOAD writes to no more partitions than these."""
MOST_BYTES: Final = 262_144
"""Athena takes no longer statement."""
OUTPUT: Final = "output"
WRITTEN: Final = "pipeline_written"
"""The column of a summary that counts what lies below the destination."""
_TYPES: Final = {
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "REAL",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP(6)",
    "binary": "VARBINARY",
}


def sql_type(name: str) -> str:
    """Trino's name of an Iceberg type.

    >>> sql_type("list<float>"), sql_type("decimal(18,5)")
    ('ARRAY(REAL)', 'DECIMAL(18,5)')
    """
    if name.startswith("list<"):
        return f"ARRAY({sql_type(name.removeprefix('list<').removesuffix('>'))})"
    return _TYPES[name] if name in _TYPES else name.upper()


def unloads(job: Job) -> tuple[str, ...]:
    """The statements that write a job's rows, each below a folder of its own.

    One statement is enough unless there are too many partitions for it. The last one also takes
    rows of partitions that nobody asked for, so that the audit sees and refuses them.
    """
    to = job.destination
    rows = f"SELECT {_typed(job.schema)} FROM ({pinned(job.sql, job.inputs)})"
    if to.partition_column is None or to.is_one_partition:
        return (_unload(rows, f"{to.uri}/0/"),)
    folder = identifier(partition_folder(to))
    divided = f"SELECT *, CAST({identifier(to.partition_column)} AS VARCHAR) AS {folder}"
    return tuple(
        _unload(f"{divided} FROM ({rows}){condition}", f"{to.uri}/{number}/", partition_folder(to))
        for number, condition in enumerate(_shares(to.partition_column, to.partition_keys))
    )


def partition_folder(destination: Destination) -> str:
    """The column whose values name folders.

    UNLOAD leaves such a column out of the files, which must have the partition column itself.
    """
    return f"by_{destination.partition_column}"


def summary(sql: str, output: str, job: Job) -> str:
    """The audit's summary, and beside it the number of rows below the destination."""
    written = f"SELECT COUNT(*) AS {identifier(WRITTEN)} FROM {identifier(OUTPUT)}"
    return audited(f"SELECT s.*, w.* FROM ({sql}) AS s CROSS JOIN ({written}) AS w", output, job)


def audited(sql: str, output: str, job: Job) -> str:
    """A query over what a job wrote, which the external table `output` shows, and its inputs."""
    columns = ", ".join(map(identifier, job.schema))
    return pinned(sql, job.inputs, {OUTPUT: f"SELECT {columns} FROM {output}"})


def pinned(sql: str, sources: Mapping[str, Source], others: Mapping[str, str] | None = None) -> str:
    """A query whose tables are the rows of sources, of exactly their snapshots and partitions."""
    read = {name: relation(source) for name, source in sources.items() if uses(sql, name)}
    named = {name: it for name, it in (others or {}).items() if uses(sql, name)} | read
    tables = ", ".join(f"{identifier(name)} AS ({query})" for name, query in named.items())
    return f"WITH {tables} SELECT * FROM ({sql})" if tables else sql


def uses(sql: str, name: str) -> bool:
    """Whether a query that Ibis has compiled, which quotes every name, may read a table."""
    return identifier(name) in sql


def relation(source: Source) -> str:
    """A SELECT of a source's columns in their types; of nothing, if nothing is published."""
    table = source.table
    if table is None or not source.files:
        nulls = (
            f"CAST(NULL AS {sql_type(t)}) AS {identifier(n)}" for n, t in source.schema.items()
        )
        return f"SELECT {', '.join(nulls)} WHERE FALSE"
    columns = ", ".join(_column(name, type_, table) for name, type_ in source.schema.items())
    name = ".".join(map(identifier, table.name.split(".")))
    where = _partitions(source, table)
    return f"SELECT {columns} FROM {name} FOR VERSION AS OF {source.snapshot_id}{where}"


def _column(name: str, type_: str, table: CatalogTable) -> str:
    # A column that the table does not have yet is null in every row.
    held = identifier(table.columns[name]) if name in table.columns else "NULL"
    return f"CAST({held} AS {sql_type(type_)}) AS {identifier(name)}"


def _partitions(source: Source, table: CatalogTable) -> str:
    if table.partition_column is None or table.partitions is None:
        return ""
    # Typed literals: a cast of the column would hide from Athena which files it can leave out.
    type_ = sql_type(source.schema[table.partition_column])
    values = ", ".join(
        literal(key) if type_ == "VARCHAR" else f"CAST({literal(key)} AS {type_})"
        for key in table.partitions
    )
    return f" WHERE {identifier(table.columns[table.partition_column])} IN ({values})"


def _typed(schema: Mapping[str, str]) -> str:
    return ", ".join(
        f"CAST({identifier(name)} AS {sql_type(type_)}) AS {identifier(name)}"
        for name, type_ in schema.items()
    )


def _shares(column: str, keys: Sequence[str]) -> Iterator[str]:
    """Conditions that divide rows among statements; together they leave none out."""
    value = f"CAST({identifier(column)} AS VARCHAR)"
    shares = [keys[at : at + MOST_PARTITIONS] for at in range(0, len(keys), MOST_PARTITIONS)]
    for share in shares[:-1]:
        yield f" WHERE {value} IN ({_literals(share)})"
    earlier = keys[: (len(shares) - 1) * MOST_PARTITIONS]
    yield f" WHERE {value} NOT IN ({_literals(earlier)}) OR {value} IS NULL" if earlier else ""


def _literals(keys: Sequence[str]) -> str:
    return ", ".join(map(literal, keys))


def _unload(sql: str, uri: str, folder: str | None = None) -> str:
    by = f", partitioned_by = ARRAY[{literal(folder)}]" if folder else ""
    options = f"format = 'PARQUET', compression = 'ZSTD'{by}"
    return f"UNLOAD ({sql}) TO {literal(uri)} WITH ({options})"
