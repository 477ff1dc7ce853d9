"""The nearest names of every name by cosine similarity, exactly, with bounded memory.

scikit-learn compares every vector with every other. It measures distances between vectors of length
one, for which the nearest by distance are the nearest by cosine.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from pipeline_assets.errors import PipelineError

SCHEMA: Final = pa.schema(
    {"name": pa.string(), "neighbour": pa.string(), "similarity": pa.float64(), "rank": pa.int32()}
)
BLOCK_ROWS: Final = 4096
# Single precision vectors cannot tell finer differences, and coarser rounding would create ties.
DECIMALS: Final = 9

Doubles = NDArray[np.float64]
Places = NDArray[np.intp]


def top_neighbours(
    names: Sequence[str],
    vectors: NDArray[np.floating],
    k: int = 10,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[pa.RecordBatch]:
    """The `k` nearest other names of every name, in the order of `names`.

    The neighbours of a name are sorted by similarity, the cosine rounded to nine decimals, and then
    by the order of `names`. A zero vector has no direction, so it has no neighbours and is nobody's
    neighbour. Where there are fewer than `k` candidates, there are fewer rows.

    Args:
        names: One distinct name per vector.
        vectors: One row per name.
        k: Neighbours per name, from 1.
        block_rows: Names per block, from 1. It changes memory and time, not the result.

    Yields:
        Batches of `name`, `neighbour`, `similarity` (double) and `rank` (int32, from 1).

    Raises:
        PipelineError: A vector is not finite.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if not np.isfinite(lengths).all():
        worst = names[int(np.flatnonzero(~np.isfinite(lengths))[0])]
        raise PipelineError(f"the vector of {worst!r} is not finite: train the embeddings again")
    known = np.flatnonzero(lengths)
    if len(known):
        labels = pa.array(names, pa.string()).take(pa.array(known))
        unit = vectors[known] / lengths[known, None]
        for start in range(0, len(unit), block_rows):
            yield _batch(labels, start, list(_nearest(unit, start, start + block_rows, k)))


def _nearest(unit: Doubles, start: int, stop: int, k: int) -> Iterator[tuple[Places, Doubles]]:
    """The places and similarities of the `k` best others of each vector of a block."""
    # One more than k for the vector itself, and one more to see whether a tie goes on behind it.
    wanted = min(k + 2, len(unit))
    search = NearestNeighbors(n_neighbors=wanted, algorithm="brute").fit(unit)
    distances, places = search.kneighbors(unit[start:stop])
    similarities = np.round(1 - distances**2 / 2, DECIMALS)
    for place, (near, similar) in enumerate(zip(places, similarities, strict=True), start):
        if wanted == k + 2 and similar[-2] == similar[-1]:
            yield _best(place, *_as_near(unit, place, similar[-1]), k)
        else:
            yield _best(place, near, similar, k)


def _as_near(unit: Doubles, place: int, floor: float) -> tuple[Places, Doubles]:
    """All vectors that reach a similarity: the search would break their tie by chance."""
    similarities = np.round(unit @ unit[place], DECIMALS)
    places = np.flatnonzero(similarities >= floor)
    return places, similarities[places]


def _best(place: int, places: Places, similarities: Doubles, k: int) -> tuple[Places, Doubles]:
    order = np.lexsort((places, -similarities))
    best = order[places[order] != place][:k]
    return places[best], similarities[best]


def _batch(
    labels: pa.Array, start: int, nearest: Sequence[tuple[Places, Doubles]]
) -> pa.RecordBatch:
    counts = [len(places) for places, _ in nearest]
    row = np.repeat(np.arange(start, start + len(nearest)), counts)
    columns = [
        labels.take(pa.array(row)),
        labels.take(pa.array(np.concatenate([places for places, _ in nearest]))),
        pa.array(np.concatenate([similarities for _, similarities in nearest])),
        pa.array(np.concatenate([np.arange(1, count + 1) for count in counts]), pa.int32()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
