"""Destinations outside the lake that an asset may declare for its rows.

These are plain values. What writes to them lives in :mod:`pipeline_assets.exports`, and is found by
:attr:`Destination.kind`.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

from pipeline_assets.dataset.contract import Contract, Field, Long, String, TableContract
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.values.objects import encode_key


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

    def with_partitioning(self, partitioning: Partitioning) -> Self:
        """The same for other partitions."""
        ...


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
    """

    kind: ClassVar[str] = "csv"
    path: str
    rows: TableContract

    @property
    def place(self) -> str:
        """What an asset's code version says of the destination."""
        return self.path

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
class PostgresTable:
    """A table in the warehouse, whose partitions are replaced whole.

    Attributes:
        schema: Of the warehouse.
        name: The table in it.
        rows: What its rows promise; names, types and comments there follow it.
        partition_column: Divides the table.
    """

    kind: ClassVar[str] = "postgres"
    schema: str
    name: str
    rows: TableContract
    partition_column: str

    @property
    def place(self) -> str:
        """What an asset's code version says of the destination."""
        return f"{self.schema}.{self.name}"

    def with_partitioning(self, partitioning: Partitioning) -> "PostgresTable":
        """The same for other partitions."""
        rows = self.rows.with_column_type(partitioning.column, partitioning.column_type)
        return replace(self, rows=rows)
