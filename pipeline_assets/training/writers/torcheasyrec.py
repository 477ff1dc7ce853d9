"""TorchEasyRec: encoded Parquet for ``fg_mode: FG_NONE`` and the configs of its features.

``PART/part-00000.parquet`` in equal files, of which a trainer wants a multiple of its workers. A
field of any number of values is a list of indices or, where values have weights, a map from index
to weight. Index 0 is its default and 1 its unknown, as ours are. ``features.config`` is text to
paste into a pipeline's config.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from pipeline_assets.training.batch import Batch, Ragged, offsets_of
from pipeline_assets.training.writers.files import (
    ids_as_arrow,
    keys_as_arrow,
    map_as_arrow,
    write_equal_files,
)
from pipeline_assets.training.writers.options import Losses, Options
from pipeline_assets.training.writers.training_set import Field, TrainingSet


def write(training_set: TrainingSet, folder: Path, options: Options) -> Losses:
    """Write all parts; see the module."""
    fields = training_set.fields
    for portion in training_set.portions:
        rows = _arrow(portion.joined(), fields)
        write_equal_files(folder / portion.part, rows, len(portion.rows), options.files)
    (folder / "features.config").write_text("".join(_config(training_set)))
    return Losses()


def _arrow(batches: Iterable[Batch], fields: Iterable[Field]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = keys_as_arrow(batch, batch.keys)
        for field in fields:
            tokens = batch.fields[field.name]
            if field.is_weighted:
                columns[field.name] = map_as_arrow(tokens if field.is_list else _present(tokens))
            else:
                columns[field.name] = ids_as_arrow(field, tokens)
        yield pa.RecordBatch.from_pydict(columns)


def _present(tokens: Ragged) -> Ragged:
    """The tokens of a field of one value, without index 0, which stands for none."""
    is_there = tokens.ids > 0
    return Ragged(tokens.ids[is_there], tokens.weights[is_there], offsets_of(is_there))


def _config(training_set: TrainingSet) -> Iterator[str]:
    labels = "".join(f'    label_fields: "{it}"\n' for it in training_set.keys_of("label"))
    yield f"data_config {{\n    dataset_type: ParquetDataset\n    fg_mode: FG_NONE\n{labels}}}\n"
    for field in training_set.fields:
        weighted = "        weighted: true\n" if field.is_weighted else ""
        yield (
            f'feature_configs {{\n    id_feature {{\n        feature_name: "{field.name}"\n'
            f"        num_buckets: {field.size}\n        embedding_dim: 16\n{weighted}    }}\n}}\n"
        )
