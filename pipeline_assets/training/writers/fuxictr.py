"""FuxiCTR: ``feature_map.json`` and Parquet of equally long rows, as its data loader takes them.

``train``, ``valid`` and ``test`` are folders of Parquet files. FuxiCTR has no weights of tokens,
and a list has one length in all rows: what is cut off is counted. Index 0 is its padding and 1 its
unknown, as ours are.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline_assets.training.batch import Batch
from pipeline_assets.training.writers.files import keys_as_arrow, write_equal_files
from pipeline_assets.training.writers.options import Losses, Options
from pipeline_assets.training.writers.training_set import SHORT_PARTS, Field, TrainingSet
from pipeline_assets.training.writers.widths import padded, widths_of


def write(training_set: TrainingSet, folder: Path, options: Options) -> Losses:
    """Write all parts; see the module."""
    fields, losses = training_set.fields, Losses()
    widths = widths_of(fields, options.max_length)
    labels = training_set.keys_of("label")
    for portion in training_set.portions:
        rows = _arrow(portion.joined(), fields, labels, widths, losses)
        target = folder / SHORT_PARTS[portion.part]
        write_equal_files(target, rows, len(portion.rows), options.files)
    for field in fields:
        losses.add(f"weights of {field.name}", field.weights)
    described = _feature_map(folder.name, fields, labels, widths)
    (folder / "feature_map.json").write_text(json.dumps(described, indent=4))
    return losses


def _arrow(
    batches: Iterable[Batch],
    fields: Iterable[Field],
    keys: Iterable[str],
    widths: Mapping[str, int],
    losses: Losses,
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = keys_as_arrow(batch, keys)
        for field in fields:
            tokens = batch.fields[field.name]
            if not field.is_list:
                columns[field.name] = pa.array(tokens.ids)
                continue
            width = widths[field.name]
            matrix, cut = padded(tokens, width)
            losses.add(f"tokens of {field.name} beyond {width}", cut)
            offsets = np.arange(len(batch) + 1, dtype=np.int32) * width
            columns[field.name] = pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel()))
        yield pa.RecordBatch.from_pydict(columns)


def _feature_map(
    name: str, fields: Sequence[Field], labels: Sequence[str], widths: Mapping[str, int]
) -> dict[str, Any]:
    features = {it.name: _spec(it, widths) for it in fields}
    return {
        "dataset_id": name,
        "num_fields": len(fields),
        "total_features": sum(field.size for field in fields),
        "input_length": sum(widths.get(field.name, 1) for field in fields),
        "labels": list(labels),
        "features": [{name: spec} for name, spec in features.items()],
    }


def _spec(field: Field, widths: Mapping[str, int]) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "source": "user" if field.of_user else "item",
        "type": "sequence" if field.is_list else "categorical",
        "padding_idx": 0,
        "vocab_size": max(field.size, 2),
    }
    if field.is_list:
        mean = "layers.MaskedAveragePooling()"
        spec |= {"max_len": widths[field.name], "feature_encoder": mean}
    return spec
