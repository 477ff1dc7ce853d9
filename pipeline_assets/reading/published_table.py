"""One snapshot of a published table, and the ways to read its rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pyiceberg.expressions import AlwaysTrue, In
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.engines.embedded.duckdb_sql import source_query
from pipeline_assets.engines.standard_sql import identifier
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.iceberg.evolution import former_names
from pipeline_assets.iceberg.history import HistoryEntry, committed_at, history_of
from pipeline_assets.iceberg.upkeep.manifests import planned
from spark_resources.job import Source, SourceFile

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from pipeline_assets.reading.open_lake import OpenLake

BATCH_ROWS = 50_000


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: Its Iceberg type.
        meaning: What its contract says of it.
    """

    name: str
    type: str
    meaning: str


def columns_of(schema: Schema) -> dict[str, str]:
    """The type of each column, as jobs write it."""
    return {it.name: str(it.field_type).replace(" ", "") for it in schema.fields}


@dataclass(frozen=True)
class PublishedTable:
    """One snapshot of a table, or some partitions of it.

    Attributes:
        lake: The lake that it was read from.
        name: ``domain.name``.
        iceberg: The table as pyiceberg knows it.
        snapshot: The snapshot.
        records: What each partition was materialised from, by partition key.
        keys: The partitions that were asked for; None for the whole table.
    """

    lake: "OpenLake" = field(repr=False)
    name: str
    iceberg: Table = field(repr=False)
    snapshot: Snapshot = field(repr=False)
    records: Mapping[str, PartitionRecord] = field(repr=False)
    keys: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Number of rows, as counted when they were published."""
        return sum(record.rows for record in self.records.values())

    @property
    def snapshot_id(self) -> int:
        """The id of the snapshot; naming it again reads the same rows as long as it is kept."""
        return self.snapshot.snapshot_id

    @property
    def published_at(self) -> datetime:
        """When the snapshot was committed, in UTC."""
        return committed_at(self.snapshot)

    @property
    def partitions(self) -> tuple[str, ...]:
        """The keys of its partitions; one empty key if the table has none."""
        return tuple(sorted(self.records))

    @cached_property
    def is_checked(self) -> bool:
        """Whether each partition is known to have passed the checks that were due when it came.

        Nothing is published before it has passed; but version 0.1 of the lake kept no record of it.
        """
        return all(record.audit for record in self.records.values())

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Name, type and meaning of each column."""
        fields = self._schema.fields
        return tuple(Column(it.name, str(it.field_type), it.doc or "") for it in fields)

    @property
    def _schema(self) -> Schema:
        # The schema of then: columns that were added later are not part of an older snapshot.
        return self.iceberg.schemas()[self.snapshot.schema_id or 0]

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """Every publish up to the snapshot that has not expired, oldest first."""
        return tuple(history_of(self.iceberg, self.snapshot_id))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """URIs of its Parquet files.

        Raises:
            PipelineError: A manifest cannot be read.
        """
        spec = self.iceberg.specs()[self.iceberg.metadata.default_spec_id]
        chosen = (
            AlwaysTrue()
            if self.keys is None or not spec.fields
            else In(term=spec.fields[0].name, literals=set(self.keys))
        )
        with one_line_errors(f"read {self.name}"):
            scan = self.iceberg.scan(row_filter=chosen, snapshot_id=self.snapshot_id)
            return tuple(file.file_path for file in planned(scan, self.name))

    @cached_property
    def ibis(self) -> "ir.Table":
        """The rows as an Ibis table; tables of the same lake can be joined."""
        name = f"{self.name}@{self.snapshot_id}"
        if self.keys is not None:
            name += f"/{','.join(self.keys)}"
        self.lake.connection.execute(f"CREATE OR REPLACE VIEW {identifier(name)} AS {self.sql}")
        return self.lake.ibis.table(name)

    @cached_property
    def sql(self) -> str:
        """A SELECT of DuckDB over its files, with exactly its columns."""
        files = tuple(SourceFile(uri) for uri in self.files)
        former = former_names(self.iceberg, self._schema)
        return source_query(Source("parquet", columns_of(self._schema), files, former=former))

    def batches(self, rows: int = BATCH_ROWS) -> "Iterator[pa.RecordBatch]":
        """The rows in batches, of which only a few are in memory at a time.

        Args:
            rows: The most rows that a batch may have.

        Raises:
            PipelineError: A file cannot be read.
        """
        with self._reader(rows) as reader:
            yield from reader

    def to_arrow(self) -> "pa.Table":
        """All rows as an Arrow table, in memory.

        Raises:
            PipelineError: A file cannot be read.
        """
        with self._reader(BATCH_ROWS) as reader:
            return reader.read_all()

    def to_pandas(self) -> "pd.DataFrame":
        """All rows as a pandas data frame, in memory; see :meth:`to_arrow`."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def to_polars(self) -> "pl.DataFrame":
        """All rows as a Polars data frame, in memory; see :meth:`to_arrow`.

        Raises:
            PipelineError: Polars is not installed, or a file cannot be read.
        """
        if find_spec("polars") is None:
            raise PipelineError("to_polars needs Polars: pip install polars")
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table never becomes a series
        return frame

    @contextmanager
    def _reader(self, rows: int) -> "Iterator[pa.RecordBatchReader]":
        import duckdb
        import pyarrow as pa

        try:
            # A cursor of its own: several tables may be read at once.
            with self.lake.connection.cursor() as cursor:
                yield cursor.execute(self.sql).to_arrow_reader(rows)
        except (duckdb.Error, pa.ArrowException) as error:
            line = str(error).splitlines()[0]
            raise PipelineError(f"Cannot read {self.name}: {line}") from error
