"""Partitions as rows of a Postgres table.

The partitions of a run are replaced in one transaction. Staging leaves it open, so that readers
there see the old rows until it is committed, and for ever if it is not.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis.expr.datatypes as dt
import pyarrow as pa

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.dataset.values.damage import Damage
from pipeline_assets.dataset.values.database import WAREHOUSE, Database
from pipeline_assets.dataset.values.destinations import PostgresTable
from pipeline_assets.dataset.values.dsn import address
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.exports.exporter import Outgoing, listing_of
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.postgres.load import PartitionValue, StagedLoad, stage_load
from pipeline_assets.postgres.sql import identifier, literal
from pipeline_assets.postgres.table import WarehouseTable


@dataclass(frozen=True)
class StagedPartitions:
    """A :class:`~pipeline_assets.exports.exporter.StagedExport`: a transaction that is open."""

    listing: pa.RecordBatch
    load: StagedLoad

    def commit(self) -> None:
        """Commit the transaction."""
        self.load.commit()

    def discard(self) -> None:
        """Roll the transaction back."""
        self.load.discard()


@dataclass(frozen=True)
class PostgresExporter:
    """The :class:`~pipeline_assets.exports.exporter.Exporter` of tables in the warehouse.

    Attributes:
        engine: Reads the inputs and computes the rows, streaming.
        databases: The warehouse is one of them.
    """

    engine: EmbeddedEngine
    databases: Mapping[str, Database]

    def stage(self, destination: PostgresTable, outgoing: Outgoing) -> StagedPartitions:
        """Replace all partitions in one transaction, which stays open.

        Raises:
            PipelineError: The rows cannot be computed, or the warehouse not be reached or refuses.
        """
        dsn = self.databases[WAREHOUSE].require()
        values = {key: _value(destination, key) for key in outgoing.versions}
        sql = to_sql(outgoing.rows, self.engine.dialect)
        with self.engine.stream(outgoing.inputs, sql) as batches:
            load = stage_load(dsn, table_of(destination), list(values.values()), batches)
        uri = f"{address(dsn)}/{destination.place}"
        entries = {
            key: {"uri": uri, "rows": load.rows.get(value, 0), "version": outgoing.versions[key]}
            for key, value in values.items()
        }
        return StagedPartitions(listing_of(outgoing.table, entries), load)

    def damages(
        self,
        destination: PostgresTable,
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
        name, column = table_of(destination).sql_name, identifier(destination.partition_column)
        with closing(connect(dsn)) as connection:
            exists = f"SELECT to_regclass({literal(name)}) IS NOT NULL AS there"
            (found,) = execute(connection, dsn, exists)
            sql = f"SELECT {column}::text AS key, count(*) AS rows FROM {name} GROUP BY 1"  # noqa: S608
            counts = execute(connection, dsn, sql) if found["there"] else []
        rows = {row["key"]: row["rows"] for row in counts}
        for key, entry in listed.items():
            if entry["rows"] != rows.get(key, 0):
                what = f"holds {rows.get(key, 0):,} rows of {key}, not {entry['rows']:,}"
                yield Damage(f"{address(dsn)}/{destination.place}", what, (key,))


def table_of(destination: PostgresTable) -> WarehouseTable:
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


def _value(destination: PostgresTable, key: str) -> PartitionValue:
    """A partition's key as the partition column holds it."""
    type_ = destination.rows.schema[destination.partition_column]
    if isinstance(type_, dt.String):
        return key
    if isinstance(type_, dt.Date):
        return date.fromisoformat(key)
    raise PipelineError(f"{destination.place}: no partition of a table is named by {type_}")
