"""Parquet files with equally many rows, written one batch at a time."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_assets.training.batch import Batch, Ragged
from pipeline_assets.training.writers.training_set import Field


def write_equal_files(
    folder: Path, batches: Iterable[pa.RecordBatch], rows: int, count: int
) -> None:
    """Write ``part-00000.parquet`` and so on; one file has at most one row more than another.

    Args:
        folder: A new one.
        batches: All of one schema, and at least one unless there are no rows.
        rows: How many they have together.
        count: How many files; there are fewer if there are fewer rows.
    """
    folder.mkdir(parents=True)
    sizes = iter([rows // count + (place < rows % count) for place in range(min(count, rows))])
    number, left, writer = 0, 0, None
    with ExitStack() as stack:
        for batch in batches:
            start = 0
            while start < batch.num_rows:
                if writer is None or not left:
                    stack.close()
                    file = folder / f"part-{number:05d}.parquet"
                    writer = stack.enter_context(pq.ParquetWriter(file, batch.schema))
                    number, left = number + 1, next(sizes)
                taken = batch.slice(start, left)
                writer.write_batch(taken)
                start, left = start + taken.num_rows, left - taken.num_rows


def keys_as_arrow(batch: Batch, names: Iterable[str]) -> dict[str, pa.Array]:
    """Some keys of a batch."""
    return {name: pa.array(batch.keys[name]) for name in names}


def ids_as_arrow(field: Field, tokens: Ragged) -> pa.Array:
    """The indices of a field: a number for each row, or a list of them."""
    ids = pa.array(tokens.ids)
    return pa.ListArray.from_arrays(_offsets(tokens), ids) if field.is_list else ids


def weights_as_arrow(field: Field, tokens: Ragged) -> pa.Array:
    """The weights of a field, likewise."""
    weights = pa.array(tokens.weights)
    return pa.ListArray.from_arrays(_offsets(tokens), weights) if field.is_list else weights


def map_as_arrow(tokens: Ragged) -> pa.Array:
    """The tokens of a field as a map from index to weight, in their order."""
    return pa.MapArray.from_arrays(_offsets(tokens), pa.array(tokens.ids), pa.array(tokens.weights))


def _offsets(tokens: Ragged) -> pa.Array:
    return pa.array(tokens.offsets.astype("int32"))
