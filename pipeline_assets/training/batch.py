"""Some rows as a model takes them: keys as numbers, fields as ids, weights and offsets."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_assets.errors import PipelineError

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ragged:
    """The tokens of one field, row after row: what EmbeddingBag and KeyedJaggedTensor take.

    Attributes:
        ids: Index of each token.
        weights: Weight of each token.
        offsets: Where the tokens of each row begin, and the end of the last one.
    """

    ids: Ints
    weights: Floats
    offsets: Longs

    @property
    def lengths(self) -> Longs:
        """Number of tokens of each row."""
        found: Longs = np.diff(self.offsets)
        return found

    def take(self, rows: Longs) -> "Ragged":
        """The tokens of some rows, in that order."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        places = spread(starts, lengths)
        return Ragged(self.ids[places], self.weights[places], offsets_of(lengths))

    def last(self) -> "Ragged":
        """The last token of each row, with weight 1: all that some preprocessors keep."""
        has_any = self.lengths > 0
        ids = self.ids[self.offsets[1:][has_any] - 1]
        return Ragged(ids, np.ones(len(ids), np.float32), offsets_of(has_any))


@dataclass(frozen=True)
class Batch:
    """Some rows.

    Attributes:
        keys: Labels and whatever else is one number per row, by column.
        fields: The features by field.
    """

    keys: Mapping[str, npt.NDArray[Any]]
    fields: Mapping[str, Ragged]

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self.keys.values())))

    @property
    def nbytes(self) -> int:
        """What is sent to where the model computes."""
        fields = self.fields.values()
        parts = [part for it in fields for part in (it.ids, it.weights, it.offsets)]
        # Fields of one value share their offsets.
        distinct = {id(part): part.nbytes for part in (*self.keys.values(), *parts)}
        return sum(distinct.values())

    def to_arrow(self) -> pa.RecordBatch:
        """As a record batch: two lists per field, such as ``f210`` and ``f210_weight``."""
        columns = {name: pa.array(value) for name, value in self.keys.items()}
        for name, field in self.fields.items():
            offsets = pa.array(field.offsets.astype(np.int32))
            columns[name] = pa.ListArray.from_arrays(offsets, pa.array(field.ids))
            weights = pa.array(field.weights)
            columns[f"{name}_weight"] = pa.ListArray.from_arrays(offsets, weights)
        return pa.RecordBatch.from_pydict(columns)

    def to_torch(self, device: str = "cpu") -> dict[str, Any]:
        """As tensors: one per key, and for each field a tuple of ids, weights and offsets.

        Args:
            device: Where they are copied to.

        Raises:
            PipelineError: torch is not installed.
        """
        require_torch()
        import torch

        def tensor(part: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - torch need not be there
            return torch.from_numpy(part).to(device)

        fields = {
            name: (tensor(it.ids), tensor(it.weights), tensor(it.offsets))
            for name, it in self.fields.items()
        }
        return {**{name: tensor(value) for name, value in self.keys.items()}, **fields}


def require_torch() -> None:
    """Refuse what only torch can do where it is not installed.

    Raises:
        PipelineError: It is not.
    """
    if find_spec("torch") is None:
        raise PipelineError("Tensors need torch: pip install 'pipeline-assets[training]'")


def offsets_of(lengths: npt.NDArray[Any]) -> Longs:
    """Where each of some runs begins if they follow one another, and the end of the last."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def spread(starts: npt.NDArray[Any], lengths: npt.NDArray[Any]) -> Longs:
    """The places of runs that begin at ``starts``, one run after the other."""
    ends = np.cumsum(lengths)
    shift = starts - (ends - lengths)
    places: Longs = np.repeat(shift, lengths) + np.arange(ends[-1] if len(ends) else 0)
    return places
