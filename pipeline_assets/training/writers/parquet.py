"""Plain Parquet: rows and users beside each other, as the lake has them, in equal files.

``rows/PART/part-00000.parquet`` and ``users/PARTITION/part-00000.parquet``: the column ``user_row``
of the rows is a row of the users of the same partition, from 1. Nothing is joined and nothing lost.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from pipeline_assets.training.batch import Batch
from pipeline_assets.training.writers.files import (
    ids_as_arrow,
    keys_as_arrow,
    weights_as_arrow,
    write_equal_files,
)
from pipeline_assets.training.writers.options import Losses, Options
from pipeline_assets.training.writers.training_set import Field, TrainingSet


def write(training_set: TrainingSet, folder: Path, options: Options) -> Losses:
    """Write all parts; see the module."""
    of_rows = [it for it in training_set.fields if not it.of_user]
    of_users = [it for it in training_set.fields if it.of_user]
    for portion in training_set.portions:
        rows = _arrow(portion.batches(), of_rows)
        target = folder / "rows" / portion.part
        write_equal_files(target, rows, len(portion.rows), options.files)
        target = folder / "users" / (portion.partition or "all")
        if portion.users and not target.exists():
            users = _arrow(portion.user_batches(), of_users)
            write_equal_files(target, users, len(portion.users), options.files)
    return Losses()


def _arrow(batches: Iterable[Batch], fields: list[Field]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = keys_as_arrow(batch, batch.keys)
        for field in fields:
            columns[field.name] = ids_as_arrow(field, batch.fields[field.name])
            columns[field.weight] = weights_as_arrow(field, batch.fields[field.name])
        yield pa.RecordBatch.from_pydict(columns)
