"""The protocol of a warehouse: partitions are staged, and replace the old ones in one commit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable


class StagedLoad(Protocol):
    """Partitions that are in the warehouse, but that no reader sees."""

    @property
    def rows(self) -> Mapping[PartitionValue, int]:
        """How many rows each partition gets; a partition without rows is missing."""
        ...

    def commit(self) -> None:
        """Let readers see the new rows in place of the old ones.

        Raises:
            PipelineError: The warehouse refuses or is out of reach.
        """
        ...

    def discard(self) -> None:
        """Leave the old rows; changes nothing after a commit."""
        ...


class Warehouse(Protocol):
    """A database that keeps tables of the lake, partition by partition."""

    def stage(
        self,
        table: WarehouseTable,
        values: Sequence[PartitionValue],
        batches: Iterable[pa.RecordBatch],
        fresh_uri: str,
    ) -> StagedLoad:
        """Bring the rows of partitions into the warehouse, in bounded memory, where none sees them.

        Schema and table are created, and new columns added, before.

        Args:
            table: The table as declared.
            values: The partitions to replace; one without rows becomes empty. Times carry a zone.
            batches: Rows with exactly the table's columns, in any order. Types that differ are
                converted if every value survives. They are asked for in the caller's own thread,
                so that their errors come out as they are.
            fresh_uri: A prefix that nothing else writes to, for files on their way.

        Raises:
            PipelineError: No connection; a column of another type, or one the contract dropped;
                rows of other partitions; duplicates in the key; a text that the warehouse cannot
                store (replace it before: nothing is changed here in silence).
        """
        ...

    def counts(self, table: WarehouseTable) -> Mapping[str, int]:
        """How many rows each partition has there, by its value as text; a missing table has none.

        Raises:
            PipelineError: The warehouse is out of reach.
        """
        ...

    def version(self) -> str:
        """Product and version of the server, after connecting to it.

        Raises:
            PipelineError: The warehouse is out of reach.
        """
        ...
