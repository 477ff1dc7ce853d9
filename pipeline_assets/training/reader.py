"""Batches of a shard, epoch after epoch, from any point on."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from pipeline_assets.errors import PipelineError
from pipeline_assets.training.batch import Batch
from pipeline_assets.training.columns import Columns
from pipeline_assets.training.orders import GroupOrder, Order, Permutation, RowOrder

Shuffle: TypeAlias = Literal["no", "rows", "users"]
_STATE: Final = ("epoch", "batch")


@dataclass(frozen=True)
class Shard:
    """One of several parts of the rows, which together are all of them, each row once.

    Attributes:
        number: Of the part, from 0.
        count: How many there are.
    """

    number: int = 0
    count: int = 1

    @classmethod
    def of(cls, rank: int, ranks: int, worker: int = 0, workers: int = 1) -> "Shard":
        """The part of a worker process of one of several trainers."""
        return cls(rank * workers + worker, ranks * workers)

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise PipelineError(f"There is no shard {self.number} of {self.count}")


class Reader:
    """The batches of a shard.

    To iterate over it reads one epoch, or what is left of it. The next iteration reads the next
    epoch, in another order if it is shuffled. Memory holds one batch at a time.

    Args:
        columns: The rows.
        batch_rows: Rows of a batch; the last one of an epoch may have less.
        shuffle: ``rows`` shuffles all rows, ``users`` leaves those together that have the same
            value of the column they are ordered by, ``no`` reads them as they are stored.
        seed: Another seed, another order.
        shard: Which part to read.
    """

    def __init__(
        self,
        columns: Columns,
        batch_rows: int,
        shuffle: Shuffle = "rows",
        seed: int = 0,
        shard: Shard | None = None,
    ) -> None:
        self._columns = columns
        self._batch_rows = batch_rows
        self._shuffle = shuffle
        self._seed = seed
        self._shard = shard or Shard()
        self._epoch = 0
        self._batch = 0

    def __len__(self) -> int:
        """Batches of an epoch."""
        return math.ceil(len(self._order) / self._batch_rows)

    def __iter__(self) -> Iterator[Batch]:
        """The batches that are left of the epoch."""
        order = self._order
        while (start := self._batch * self._batch_rows) < len(order):
            batch = self._columns.take(order.rows(start, start + self._batch_rows))
            # Before it is handed over: whoever saves the state with it goes on behind it.
            self._batch += 1
            yield batch
        self._epoch, self._batch = self._epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """How far it has come, as JSON values; a reader that loads it goes on there."""
        return {**self._identity, "epoch": self._epoch, "batch": self._batch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another reader of the same rows has stopped.

        Raises:
            PipelineError: The other one read other rows, or in another order.
        """
        other = {name: value for name, value in state.items() if name not in _STATE}
        if other != self._identity:
            changed = [name for name, value in self._identity.items() if other.get(name) != value]
            raise PipelineError(f"The state is of another reader: {', '.join(changed)} differ")
        self._epoch, self._batch = int(state["epoch"]), int(state["batch"])

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {
            "rows": self._columns.folder.name,
            "batch_rows": self._batch_rows,
            "shuffle": self._shuffle,
            "seed": self._seed,
            "shard": asdict(self._shard),
        }

    @property
    def _order(self) -> Order:
        size, shard = len(self._columns), self._shard
        if self._shuffle == "no":
            return RowOrder(size, shard.number, shard.count, None)
        epoch_seed = int(np.random.SeedSequence([self._seed, self._epoch]).generate_state(1)[0])
        if self._shuffle == "rows":
            return RowOrder(size, shard.number, shard.count, Permutation(size, epoch_seed))
        bounds = self._columns.group_bounds
        shuffled = Permutation(len(bounds) - 1, epoch_seed)
        return GroupOrder.of(bounds, shard.number, shard.count, shuffled)
