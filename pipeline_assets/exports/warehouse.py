"""Partitions as rows of a table in the warehouse, be it Postgres or Redshift."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis.expr.datatypes as dt
import pyarrow as pa

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.dataset.values.damage import Damage
from pipeline_assets.dataset.values.database import WAREHOUSE, Database
from pipeline_assets.dataset.values.destinations import LoadedTable
from pipeline_assets.dataset.values.dsn import address
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.exports.exporter import Outgoing, listing_of
from pipeline_assets.warehouses.choice import warehouse_of
from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable
from pipeline_assets.warehouses.warehouse import StagedLoad


@dataclass(frozen=True)
class StagedPartitions:
    """A :class:`~pipeline_assets.exports.exporter.StagedExport`: a load that can be committed."""

    listing: pa.RecordBatch
    load: StagedLoad

    def commit(self) -> None:
        """Commit the load."""
        self.load.commit()

    def discard(self) -> None:
        """Take the load back."""
        self.load.discard()


@dataclass(frozen=True)
class WarehouseExporter:
    """The :class:`~pipeline_assets.exports.exporter.Exporter` of tables in the warehouse.

    Attributes:
        engine: Reads the inputs and computes the rows, streaming.
        databases: The warehouse is one of them.
    """

    engine: EmbeddedEngine
    databases: Mapping[str, Database]

    def stage(self, destination: LoadedTable, outgoing: Outgoing) -> StagedPartitions:
        """Stage all partitions in one load.

        Raises:
            PipelineError: The rows cannot be computed, or the warehouse not be reached or refuses.
        """
        dsn = self.databases[WAREHOUSE].require()
        values = {key: _value(destination, key) for key in outgoing.versions}
        sql = to_sql(outgoing.rows, self.engine.dialect)
        warehouse = warehouse_of(dsn, self.engine.s3)
        with self.engine.stream(outgoing.inputs, sql) as batches:
            chosen = list(values.values())
            load = warehouse.stage(table_of(destination), chosen, batches, outgoing.fresh_uri)
        uri = f"{address(dsn)}/{destination.place}"
        entries = {
            key: {"uri": uri, "rows": load.rows.get(value, 0), "version": outgoing.versions[key]}
            for key, value in values.items()
        }
        return StagedPartitions(listing_of(outgoing.table, entries), load)

    def damages(
        self,
        destination: LoadedTable,
        listed: Mapping[str, Mapping[str, Any]],
        *,
        deep: bool,  # noqa: ARG002 - counting reads every row anyway
    ) -> Iterator[Damage]:
        """See :class:`~pipeline_assets.exports.exporter.Exporter`; rows are counted.

        A warehouse that is not configured any more has nothing to answer for.
        """
        dsn = self.databases[WAREHOUSE].dsn
        if dsn is None or not listed:
            return
        rows = warehouse_of(dsn, self.engine.s3).counts(table_of(destination))
        for key, entry in listed.items():
            if entry["rows"] != rows.get(key, 0):
                what = f"holds {rows.get(key, 0):,} rows of {key}, not {entry['rows']:,}"
                yield Damage(f"{address(dsn)}/{destination.place}", what, (key,))


def table_of(destination: LoadedTable) -> WarehouseTable:
    """The table as the contract declares it."""
    contract = destination.rows
    return WarehouseTable(
        schema=destination.schema,
        name=destination.name,
        columns=pa.schema(contract.schema.to_pyarrow()),
        partition=destination.partition_column,
        key=contract.unique,
        description=contract.description,
        descriptions={column.name: column.description for column in contract.columns},
    )


def _value(destination: LoadedTable, key: str) -> PartitionValue:
    """A partition's key as the partition column holds it."""
    type_ = destination.rows.schema[destination.partition_column]
    if isinstance(type_, dt.String):
        return key
    if isinstance(type_, dt.Date):
        return date.fromisoformat(key)
    raise PipelineError(f"{destination.place}: no partition of a table is named by {type_}")
