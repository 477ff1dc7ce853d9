"""Exports into a relational warehouse: partitions as rows of a Postgres table.

Like an exported object, a loaded partition is listed in a table of the lake, so that staleness,
history and checks work as everywhere. The partitions of a run are replaced in one transaction,
which commits before the listing does. Where a process is killed between the two, the warehouse is
newer than the listing says, and the next update loads the partitions again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.dataset.values.destinations import WarehouseExport
from pipeline_assets.dataset.values.dsn import SecretDsn, address
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.exports.csv_objects import listing
from pipeline_assets.postgres.load import load_partitions
from pipeline_assets.postgres.table import WarehouseTable
from spark_resources.job import Source


def warehouse_table(export: WarehouseExport) -> WarehouseTable:
    """The table as the contract declares it."""
    return WarehouseTable(
        schema=export.schema,
        name=export.name,
        columns=pa.schema(export.rows.schema.to_pyarrow()),
        partition=export.partition_column,
        key=export.rows.unique,
        description=export.rows.description,
        descriptions={column.name: column.description for column in export.rows.columns},
    )


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
            load_partitions(self.dsn, warehouse_table(self.export), list(values.values()), counted)
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
