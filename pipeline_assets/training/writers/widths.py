"""Lists of one length, for formats whose rows are matrices."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_assets.training.batch import Ints, Ragged, spread
from pipeline_assets.training.writers.training_set import Field


def widths_of(fields: Iterable[Field], most: int) -> dict[str, int]:
    """The width of each list: as long as its longest row, and not longer than ``most``."""
    return {it.name: max(1, min(it.longest, most)) for it in fields if it.is_list}


def padded(tokens: Ragged, width: int) -> tuple[Ints, int]:
    """The first tokens of each row, followed by index 0, and how many tokens are left out.

    Args:
        tokens: Of a field.
        width: Tokens of each row.
    """
    lengths = np.minimum(tokens.lengths, width)
    matrix = np.zeros((len(lengths), width), np.int32)
    rows: npt.NDArray[Any] = np.repeat(np.arange(len(lengths)), lengths)
    columns = spread(np.zeros(len(lengths), np.int64), lengths)
    matrix[rows, columns] = tokens.ids[spread(tokens.offsets[:-1], lengths)]
    return matrix, int((tokens.lengths - lengths).sum())
