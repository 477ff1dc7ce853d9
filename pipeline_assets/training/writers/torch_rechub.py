"""torch-rechub: CSV files that its examples read with pandas, a column for each number.

``train.csv``, ``validation.csv`` and ``test.csv``. A cell of a CSV holds one number, so that a list
becomes columns such as ``f210_0`` to ``f210_9``, to be put together as one sequence feature:
what is longer is cut off, and torch-rechub has no weights of tokens. Both are counted.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline_assets.training.batch import Batch
from pipeline_assets.training.writers.files import keys_as_arrow
from pipeline_assets.training.writers.options import Losses, Options
from pipeline_assets.training.writers.text import write_text
from pipeline_assets.training.writers.training_set import Field, TrainingSet
from pipeline_assets.training.writers.widths import padded, widths_of


def write(training_set: TrainingSet, folder: Path, options: Options) -> Losses:
    """Write all parts; see the module."""
    folder.mkdir()
    fields, losses = training_set.fields, Losses()
    widths = widths_of(fields, options.max_length)
    header = [*training_set.keys, *(name for it in fields for name in _names(it, widths))]
    for portion in training_set.portions:
        rows = _rows(portion.joined(), fields, widths, losses)
        write_text(folder / f"{portion.part}.csv", header, rows, ",")
    for field in fields:
        losses.add(f"weights of {field.name}", field.weights)
    return losses


def _names(field: Field, widths: Mapping[str, int]) -> list[str]:
    if not field.is_list:
        return [field.name]
    return [f"{field.name}_{place}" for place in range(widths[field.name])]


def _rows(
    batches: Iterable[Batch], fields: Iterable[Field], widths: Mapping[str, int], losses: Losses
) -> Iterator[dict[str, pa.Array]]:
    for batch in batches:
        columns = keys_as_arrow(batch, batch.keys)
        for field in fields:
            tokens = batch.fields[field.name]
            if not field.is_list:
                columns[field.name] = pa.array(tokens.ids)
                continue
            matrix, cut = padded(tokens, widths[field.name])
            losses.add(f"tokens of {field.name} beyond {widths[field.name]}", cut)
            each = np.ascontiguousarray(matrix.T)
            columns |= dict(zip(_names(field, widths), map(pa.array, each), strict=True))
        yield columns
