"""The rows that may go into a table: its own columns, its own partitions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.conversion import conformed
from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable


def own_rows(
    table: WarehouseTable, values: Sequence[PartitionValue], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The batches as the table wants them.

    Raises:
        PipelineError: They have other columns, or rows of other partitions.
    """
    own = pa.array(values, table.sent.field(table.partition).type)
    for batch in batches:
        unknown = [name for name in batch.schema.names if name not in table.columns.names]
        if unknown:
            raise PipelineError(f"{table} has no column {unknown[0]!r}, but the rows do")
        fitted = conformed(batch, table.sent)
        strays = pc.invert(pc.is_in(fitted.column(table.partition), own))
        if pc.any(strays).as_py():
            stray = fitted.column(table.partition).filter(strays)[0].as_py()
            raise PipelineError(
                f"{table}: a row of {table.partition} {stray} came with the load of "
                f"{values[0]}; load it with its own partition"
            )
        yield fitted


def count_rows(rows: Counter[PartitionValue], table: WarehouseTable, batch: pa.RecordBatch) -> None:
    """Add a batch's rows to the counts by partition."""
    for found in pc.value_counts(batch.column(table.partition)).to_pylist():
        rows[found["values"]] += found["counts"]
