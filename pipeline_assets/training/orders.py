"""In which order rows are read: a position in an epoch is computed, never stored.

So the whole state of a reader is how far it has come, and shards need not agree on anything but
the seed. A permutation lays the numbers out as a grid, and shifts rows by a hash of the column and
columns by a hash of the row in turn, as a Feistel network does, which maps the grid one to one. A
number that lands in the few places behind the last one is mapped again.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from pipeline_assets.training.batch import Longs, offsets_of, spread

_ROUNDS: Final = 6
Words = npt.NDArray[np.uint64]


class Order(Protocol):
    """The rows of one shard of one epoch."""

    def __len__(self) -> int:
        """Number of rows."""

    def rows(self, start: int, stop: int) -> Longs:
        """Which rows are at these positions."""


@dataclass(frozen=True)
class Permutation:
    """A permutation of the numbers below ``size``, another one for each seed."""

    size: int
    seed: int

    def __call__(self, positions: Longs) -> Longs:
        """Where these positions go."""
        height = math.isqrt(max(self.size - 1, 0)) + 1
        width = max(1, math.ceil(self.size / height))
        drawn = np.random.SeedSequence(self.seed).generate_state(_ROUNDS, np.uint64)
        keys: Words = drawn.astype(np.uint64)
        found = _mixed(positions.astype(np.uint64), height, width, keys)
        while len(outside := np.flatnonzero(found >= self.size)):
            found[outside] = _mixed(found[outside], height, width, keys)
        return found.astype(np.int64)


def _mixed(words: Words, height: int, width: int, keys: Words) -> Words:
    """Numbers as places in a grid, whose rows and columns are shifted in turn."""
    row, column = words // np.uint64(width), words % np.uint64(width)
    for turn, key in enumerate(keys):
        if turn % 2:
            row = _shifted(row, column + key, height)
        else:
            column = _shifted(column, row + key, width)
    mixed: Words = row * np.uint64(width) + column
    return mixed


def _shifted(places: Words, others: Words, size: int) -> Words:
    """Places moved by a hash of the others, and round the end."""
    moved = places + ((_hashed(others) * np.uint64(size)) >> np.uint64(32))
    moved -= (moved >= size) * np.uint64(size)
    return moved


def _hashed(words: Words) -> Words:
    """32 bits, each of which depends on every bit of a word; overflow is meant."""
    words = (words ^ (words >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    words = (words ^ (words >> np.uint64(29))) * np.uint64(0xC4CEB9FE1A85EC53)
    return words >> np.uint64(32)


@dataclass(frozen=True)
class RowOrder:
    """Every row by itself: as stored, or fully shuffled.

    Attributes:
        size: Rows of the table.
        number: Of the shard.
        shards: How many there are.
        permutation: None leaves the rows as they are stored.
    """

    size: int
    number: int
    shards: int
    permutation: Permutation | None

    def __len__(self) -> int:
        """Number of rows of the shard."""
        return max(0, -(-(self.size - self.number) // self.shards))

    def rows(self, start: int, stop: int) -> Longs:
        """Which rows are at these positions of the shard."""
        positions = np.arange(start, min(stop, len(self)), dtype=np.int64)
        positions = positions * self.shards + self.number
        return self.permutation(positions) if self.permutation else positions


@dataclass(frozen=True)
class GroupOrder:
    """Groups of rows that stay together, such as all rows of a user, in a shuffled order.

    Attributes:
        starts: First row of each group of the shard, in the order in which they are read.
        offsets: Position of each group in the shard, and the number of its rows.
    """

    starts: Longs
    offsets: Longs

    @classmethod
    def of(cls, bounds: Longs, number: int, shards: int, permutation: Permutation) -> "GroupOrder":
        """The groups of a shard.

        Args:
            bounds: First row of each group, and the number of all rows.
            number: Of the shard.
            shards: How many there are.
            permutation: Of the groups.
        """
        groups = permutation(np.arange(number, len(bounds) - 1, shards, dtype=np.int64))
        return cls(bounds[groups], offsets_of(bounds[groups + 1] - bounds[groups]))

    def __len__(self) -> int:
        """Number of rows of the shard."""
        return int(self.offsets[-1])

    def rows(self, start: int, stop: int) -> Longs:
        """Which rows are at these positions of the shard; a batch may end within a group."""
        stop = min(stop, len(self))
        first = int(np.searchsorted(self.offsets, start, side="right")) - 1
        last = int(np.searchsorted(self.offsets, stop, side="left"))
        begins = np.maximum(self.offsets[first:last], start)
        ends = np.minimum(self.offsets[first + 1 : last + 1], stop)
        return spread(self.starts[first:last] + begins - self.offsets[first:last], ends - begins)
