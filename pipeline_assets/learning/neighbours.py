"""The nearest artists of every artist by cosine similarity, exactly, in blocks of bounded memory.

A matrix product in single precision finds the candidates; their similarities are then computed
again, pair by pair in double precision, so that order and values depend neither on the block size
nor on how the linear algebra library splits its work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline_assets.errors import PipelineError

SCHEMA = pa.schema(
    [
        pa.field("artist_name", pa.string(), nullable=False),
        pa.field("neighbour", pa.string(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
    ]
)
BLOCK_ROWS = 512
SEGMENT = 64
# A tile of similarities, 1,024 x 512 in single precision, stays in a core's cache.
TILE = 16 * SEGMENT
SEGMENTS_AT_ONCE = 2048
MOST_SEGMENTS = 1 << 16
PAIRS_AT_ONCE = 1 << 16
# Finer than single precision vectors can tell apart, coarser than what rounding leaves of a tie.
DECIMALS = 9
# Rounding unit vectors and multiplying them in single precision is off by at most about
# (dimensions + 2) x 2**-24 (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), and two
# such products are compared.
SLACK = 3 * 2.0**-24

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class _Space:
    """The vectors that have a direction.

    `rows` are their places among the names, `alphabetical` their places in the order of the names.
    `segments` holds the normalised vectors, 64 at a time, with zeros after the last.
    """

    rows: Places
    alphabetical: Places
    vectors: Floats
    norms: Doubles
    segments: Floats

    def unit(self, start: int, stop: int) -> Floats:
        """The normalised vectors of a range of rows."""
        return self.segments.reshape(-1, self.vectors.shape[1])[start:stop]


@dataclass(frozen=True)
class _Pairs:
    """Pairs of places in a space with their similarity, ordered by row, then rank."""

    row: Places
    column: Places
    similarity: Doubles
    rank: NDArray[np.int32]


def top_neighbours(
    names: Sequence[str],
    vectors: NDArray[np.floating],
    k: int = 10,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[pa.RecordBatch]:
    """The `k` nearest other names of every name, in the order of `names`.

    Similarity is the cosine to nine decimals, descending; equal ones are ordered by name, code
    point by code point. A zero vector has no direction: it has no neighbours and is no one's. Fewer
    than `k` candidates give fewer rows.

    Args:
        names: one distinct name per vector.
        vectors: names x dimensions.
        k: neighbours per name, from 1.
        block_rows: names handled at once. It changes memory and time, never the result.

    Yields:
        Batches of `artist_name`, `neighbour`, `similarity` (double) and `rank` (int32, from 1).

    Raises:
        PipelineError: `k` or `block_rows` below 1, or a vector that is not finite.
    """
    if k < 1 or block_rows < 1:
        raise PipelineError(f"k is {k}, block_rows is {block_rows}: both count from 1")
    space = _space(names, vectors)
    labels = pa.array(names, pa.string())
    for start in range(0, len(space.rows), block_rows):
        for pairs in _nearest(space, start, min(start + block_rows, len(space.rows)), k):
            yield _batch(labels, space, pairs)


def _space(names: Sequence[str], vectors: NDArray[np.floating]) -> _Space:
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    if not np.isfinite(norms).all():
        worst = names[int(np.flatnonzero(~np.isfinite(norms))[0])]
        raise PipelineError(f"the vector of {worst!r} is not finite: train the embeddings again")
    rows = np.flatnonzero(norms)
    alphabetical = np.empty(len(names), dtype=np.intp)
    alphabetical[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    kept = np.asarray(vectors[rows], dtype=np.float32)
    return _Space(rows, alphabetical[rows], kept, norms[rows], _segments(kept, norms[rows]))


def _segments(vectors: Floats, norms: Doubles) -> Floats:
    count = -(-len(vectors) // SEGMENT)
    unit = np.zeros((count * SEGMENT, vectors.shape[1]), dtype=np.float32)
    np.divide(vectors, norms[:, None], out=unit[: len(vectors)], casting="same_kind")
    return unit.reshape(count, SEGMENT, vectors.shape[1])


def _nearest(space: _Space, start: int, stop: int, k: int) -> Iterator[_Pairs]:
    """The best pairs of a block of rows; a block with too many near ties is halved."""
    block = space.unit(start, stop)
    # Tiles are too small to share among threads, whose waiting costs ten times the work when the
    # machine is busy.
    with threadpool_limits(limits=1, user_api="blas"):
        maxima = _segment_maxima(space, block)
    floor = _floor(maxima, k) - np.float32(SLACK * (block.shape[1] + 4))
    segment, row = np.nonzero(maxima >= floor)
    if len(row) > MOST_SEGMENTS and stop - start > 1:
        middle = (start + stop) // 2
        yield from _nearest(space, start, middle, k)
        yield from _nearest(space, middle, stop, k)
    else:
        row, column = _reaching(space, block, segment, row, floor)
        real = (column < len(space.rows)) & (column != row + start)
        yield _ranked(space, row[real] + start, column[real], k)


def _segment_maxima(space: _Space, block: Floats) -> Floats:
    """The largest similarity of each segment to each vector of a block: segments x block."""
    maxima = np.empty((len(space.segments), len(block)), dtype=np.float32)
    tile = np.empty((TILE, len(block)), dtype=np.float32)
    step = TILE // SEGMENT
    for first in range(0, len(maxima), step):
        out = maxima[first : first + step]
        close = tile[: len(out) * SEGMENT]
        unit = space.unit(first * SEGMENT, first * SEGMENT + len(close))
        np.matmul(unit, block.T, out=close)
        np.max(close.reshape(len(out), SEGMENT, -1), axis=1, out=out)
    return maxima


def _floor(maxima: Floats, k: int) -> Floats:
    """A lower bound of each vector's `k`-th largest similarity to another, from segment maxima.

    `k + 2` segments that reach a value hold `k` others that do: one segment may owe its maximum to
    the vector itself, the last one to its zeros. With fewer segments nothing can be ruled out.
    """
    if len(maxima) < k + 2:
        return np.full(maxima.shape[1], -2.0, dtype=np.float32)
    return np.asarray(np.partition(maxima, -k - 2, axis=0)[-k - 2])


def _reaching(
    space: _Space, block: Floats, segment: Places, row: Places, floor: Floats
) -> tuple[Places, Places]:
    """Row and column of every similarity in these (segment, row) pairs that reaches the floor."""
    rows, columns = [row[:0]], [row[:0]]
    for start in range(0, len(row), SEGMENTS_AT_ONCE):
        piece = slice(start, start + SEGMENTS_AT_ONCE)
        close = np.einsum("ijk,ik->ij", space.segments[segment[piece]], block[row[piece]])
        hit, offset = np.nonzero(close >= floor[row[piece], None])
        rows.append(row[piece][hit])
        columns.append(segment[piece][hit] * SEGMENT + offset)
    return np.concatenate(rows), np.concatenate(columns)


def _ranked(space: _Space, row: Places, column: Places, k: int) -> _Pairs:
    similarity = _cosines(space, row, column)
    order = np.lexsort((space.alphabetical[column], -similarity, row))
    row, column, similarity = row[order], column[order], similarity[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row) + 1
    best = rank <= k
    return _Pairs(row[best], column[best], similarity[best], rank[best].astype(np.int32))


def _cosines(space: _Space, row: Places, column: Places) -> Doubles:
    """Cosines pair by pair, so that a value depends on its two vectors alone."""
    out = np.empty(len(row))
    for start in range(0, len(row), PAIRS_AT_ONCE):
        piece = slice(start, start + PAIRS_AT_ONCE)
        products = space.vectors[row[piece]].astype(np.float64) * space.vectors[column[piece]]
        out[piece] = products.sum(axis=1)
    return np.round(out / (space.norms[row] * space.norms[column]), DECIMALS)


def _batch(labels: pa.Array, space: _Space, pairs: _Pairs) -> pa.RecordBatch:
    columns = [
        labels.take(pa.array(space.rows[pairs.row])),
        labels.take(pa.array(space.rows[pairs.column])),
        pa.array(pairs.similarity),
        pa.array(pairs.rank),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
