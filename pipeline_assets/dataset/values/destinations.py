"""Destinations outside the lake that an asset may declare for its rows.

These are plain values. What writes to them lives in :mod:`pipeline_assets.exports`, and is found by
:attr:`Destination.kind`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

import dagster as dg
from pydantic import Field as ConfigField

from pipeline_assets.dataset.contract import Contract, Field, Long, String, TableContract
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.values.objects import encode_key
from pipeline_assets.errors import PipelineError


class Destination(Protocol):
    """Where the rows of an export asset go."""

    kind: ClassVar[str]
    """Which exporter writes there; also the label of the asset in Dagster's graph."""

    @property
    def rows(self) -> TableContract:
        """What the rows promise; they hold the partition column."""
        ...

    @property
    def place(self) -> str:
        """What an asset's code version says of the destination."""
        ...

    @property
    def told(self) -> str:
        """The names that readers outside the lake rely on, for the documentation."""
        ...

    def with_partitioning(self, partitioning: Partitioning) -> Self:
        """The same for other partitions."""
        ...


class FurtherColumns(dg.Config):
    """Which columns an object has besides those that it always has."""

    further_columns: list[str] = ConfigField(
        default=[], description="Columns of the exported table to write behind the usual ones."
    )

    def require_in(self, columns: Collection[str]) -> None:
        """Refuse a column that the exported table does not have.

        Raises:
            PipelineError: There is one.
        """
        unknown = [name for name in self.further_columns if name not in columns]
        if unknown:
            raise PipelineError(
                f"further_columns: there is no column {' or '.join(unknown)} to export, "
                f"only {', '.join(columns)}"
            )


class ExportedObjects(Contract):
    """One row per exported object; subclasses add the partition column."""

    uri: String = Field(description="Where the object lies.")
    rows: Long = Field(ge=0, description="Its rows, the header not counted.")
    bytes: Long = Field(ge=1, description="Its size.")
    sha256: String = Field(description="SHA-256 of its bytes as stored, in hex.")


@dataclass(frozen=True)
class CsvObject:
    """One CSV object per partition.

    Attributes:
        path: Of the object below the lake; ``{key}`` stands for the partition key, percent-encoded
            where it is no plain name.
        rows: What the rows in it promise; they hold the partition column.
        columns: Which of their columns are written, in this order; run config may name further
            ones. None stands for all.
    """

    kind: ClassVar[str] = "csv"
    path: str
    rows: TableContract
    columns: tuple[str, ...] | None = None

    @property
    def place(self) -> str:
        """What an asset's code version says of the destination."""
        return " ".join((self.path, *(self.columns or ())))

    @property
    def told(self) -> str:
        """The names that readers outside the lake rely on, for the documentation."""
        columns = ", ".join(f"`{name}`" for name in self.written(None))
        return (
            f"the object `{self.path}` below the lake for each partition `{{key}}`, which is "
            f"percent-encoded where it is no plain name; its columns are {columns}"
        )

    def written(self, config: dg.Config | None) -> tuple[str, ...]:
        """The columns that are written under a run config, in this order."""
        further = config.further_columns if isinstance(config, FurtherColumns) else ()
        usual = self.rows.schema.names if self.columns is None else self.columns
        return tuple(dict.fromkeys((*usual, *further)))

    def with_partitioning(self, partitioning: Partitioning) -> "CsvObject":
        """The same for other partitions."""
        rows = self.rows.with_column_type(partitioning.column, partitioning.column_type)
        return replace(self, rows=rows)

    def uri(self, lake_uri: str, key: str) -> str:
        """The object's name for one partition."""
        return f"{lake_uri}/{self.path.format(key=encode_key(key))}"


class LoadedPartitions(Contract):
    """One row per partition loaded into the warehouse."""

    uri: String = Field(description="The table in the warehouse: server, database and name.")
    rows: Long = Field(ge=0, description="Rows the partition has there.")
    version: String = Field(description="Version of the partition that was loaded.")


@dataclass(frozen=True)
class LoadedTable:
    """A table in the warehouse, whose partitions are replaced whole.

    Attributes:
        schema: Of the warehouse.
        name: The table in it.
        rows: What its rows promise; names, types and comments there follow it.
        partition_column: Divides the table.
    """

    kind: ClassVar[str] = "warehouse"
    schema: str
    name: str
    rows: TableContract
    partition_column: str

    @property
    def place(self) -> str:
        """What an asset's code version says of the destination."""
        return f"{self.schema}.{self.name}"

    @property
    def told(self) -> str:
        """The names that readers outside the lake rely on, for the documentation."""
        return f"the table `{self.place}` of the warehouse"

    def with_partitioning(self, partitioning: Partitioning) -> "LoadedTable":
        """The same for other partitions."""
        rows = self.rows.with_column_type(partitioning.column, partitioning.column_type)
        return replace(self, rows=rows)


@dataclass(frozen=True)
class ByKey:
    """How rows are looked up by key outside the lake.

    Attributes:
        column: The key.
        order: Columns that the rows of a key are ordered by.
    """

    column: str
    order: tuple[str, ...] = ()


class KeyedPartitions(Contract):
    """One row per partition published by key."""

    uri: String = Field(description="Where it went: the DynamoDB table, and the table in it.")
    rows: Long = Field(ge=0, description="Rows the partition has there.")
    number: Long = Field(ge=1, description="Of the version there, raised by every publish.")
    version: String = Field(description="Version of the partition that was published.")


@dataclass(frozen=True)
class KeyedRows:
    """Rows by key in DynamoDB, whose partitions are replaced whole.

    Attributes:
        table: ``domain.name`` of the table whose rows they are.
        by: Their key, and their order.
        rows: What they promise.
        partition_column: Divides them.
    """

    kind: ClassVar[str] = "dynamodb"
    table: str
    by: ByKey
    rows: TableContract
    partition_column: str

    @property
    def place(self) -> str:
        """What an asset's code version says of the destination."""
        return " ".join((self.table, self.by.column, *self.by.order))

    @property
    def told(self) -> str:
        """The names that readers outside the lake rely on, for the documentation."""
        return f"items of DynamoDB with the key `{self.table}#` and a `{self.by.column}`"

    def with_partitioning(self, partitioning: Partitioning) -> "KeyedRows":
        """The same for other partitions."""
        rows = self.rows.with_column_type(partitioning.column, partitioning.column_type)
        return replace(self, rows=rows)
