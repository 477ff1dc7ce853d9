"""Exports into a relational warehouse: partitions as rows of a Postgres table.

Like an exported object, a loaded partition is listed in a table of the lake, so that staleness,
history and checks work as everywhere. The partitions of a run are replaced in one transaction,
which commits before the listing does. Where a process is killed between the two, the warehouse is
newer than the listing says, and the next update loads the partitions again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import quote

import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.dataset.contract import Contract, Field, Long, String, TableContract
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.exports.csv_objects import listing
from pipeline_assets.iceberg.tables import LakeTable
from pipeline_assets.postgres.dsn import SecretDsn
from pipeline_assets.postgres.load import load_partitions
from pipeline_assets.postgres.table import WarehouseTable
from spark_resources.job import Source


class LoadedPartitions(Contract):
    """One row per partition loaded into the warehouse."""

    uri: String = Field(description="The table in the warehouse: server, database and name.")
    rows: Long = Field(ge=0, description="Rows the partition has there.")
    version: String = Field(description="Version of the partition that was loaded.")


@dataclass(frozen=True)
class WarehouseExport:
    """What is loaded, and to where.

    Attributes:
        schema: Of the warehouse.
        name: The table in it.
        rows: What its rows promise; names, types and comments there follow it.
        partition_column: Divides the table.
    """

    schema: str
    name: str
    rows: TableContract
    partition_column: str

    @property
    def place(self) -> str:
        """What an asset's code version says of the destination."""
        return f"{self.schema}.{self.name}"

    @property
    def table(self) -> WarehouseTable:
        """The table as the contract declares it."""
        return WarehouseTable(
            schema=self.schema,
            name=self.name,
            columns=pa.schema(self.rows.schema.to_pyarrow()),
            partition=self.partition_column,
            key=self.rows.unique,
            description=self.rows.description,
            descriptions={column.name: column.description for column in self.rows.columns},
        )

    def cut_as(self, partitioning: Partitioning) -> "WarehouseExport":
        """The same for other partitions."""
        rows = self.rows.with_column_type(partitioning.column, partitioning.column_type)
        return replace(self, rows=rows)


@dataclass(frozen=True)
class LoadedPartition:
    """A partition that is in the warehouse; see :class:`LoadedPartitions`."""

    key: str
    uri: str
    rows: int
    version: str


@dataclass(frozen=True)
class WarehouseWriter:
    """Loads the partitions of one publication.

    Attributes:
        export: What to load.
        table: The table that lists what was loaded.
        engine: Reads the inputs and computes the rows, streaming.
        dsn: The warehouse.
        versions: Of each partition to be loaded.
    """

    export: WarehouseExport
    table: LakeTable
    engine: EmbeddedEngine
    dsn: SecretDsn
    versions: Mapping[str, str]

    def write(self, rows: ir.Table, inputs: Mapping[str, Source]) -> list[LoadedPartition]:
        """Replace all partitions in the warehouse, in one transaction.

        Args:
            rows: Of all partitions to be loaded.
            inputs: What the rows are computed from, by table name.

        Raises:
            PipelineError: The rows cannot be computed, or the warehouse not be reached or refuses.
        """
        values = {key: self._value(key) for key in self.versions}
        counts: Counter[Any] = Counter()
        with self.engine.stream(inputs, to_sql(rows, self.engine.dialect)) as batches:
            counted = _counted(batches, self.export.partition_column, counts)
            load_partitions(self.dsn, self.export.table, list(values.values()), counted)
        uri = f"{address(self.dsn)}/{self.export.place}"
        return [
            LoadedPartition(key, uri, counts[value], self.versions[key])
            for key, value in values.items()
        ]

    def listing(self, loaded: Iterable[LoadedPartition]) -> pa.RecordBatch:
        """Rows of the table that lists what was loaded."""
        return listing(self.table, [(item.key, asdict(item)) for item in loaded])

    def _value(self, key: str) -> Any:  # noqa: ANN401 - as the column's type asks
        type_ = self.export.rows.schema[self.export.partition_column]
        if isinstance(type_, dt.String):
            return key
        if isinstance(type_, dt.Date):
            return date.fromisoformat(key)
        raise PipelineError(f"{self.table}: no partition of a warehouse table is named by {type_}")


def _counted(
    batches: Iterable[pa.RecordBatch], column: str, counts: Counter[Any]
) -> Iterator[pa.RecordBatch]:
    """Pass batches on and count their rows by partition."""
    for batch in batches:
        for found in pc.value_counts(batch[column]).to_pylist():
            counts[found["values"]] += found["counts"]
        yield batch


def address(dsn: SecretDsn) -> str:
    """Server and database without user and password; a socket's folder is percent-encoded."""
    found = dsn.options
    host = quote(found.get("host") or found.get("hostaddr") or "localhost", safe="")
    port = f":{found['port']}" if found.get("port") else ""
    database = quote(found.get("dbname") or found.get("user") or "", safe="")
    return f"postgresql://{host}{port}/{database}"
