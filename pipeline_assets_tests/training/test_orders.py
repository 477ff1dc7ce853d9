from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from pipeline_assets.training.orders import GroupOrder, Permutation, RowOrder


@given(st.integers(1, 5000), st.integers(0, 2**32 - 1))
def test_a_permutation_hits_every_number_once(size: int, seed: int) -> None:
    found = Permutation(size, seed)(np.arange(size, dtype=np.int64))
    assert sorted(found.tolist()) == list(range(size))


def test_a_permutation_leaves_nothing_where_it_was() -> None:
    """Neighbours end far apart, and another seed is another order."""
    found = Permutation(100_000, 1)(np.arange(100_000, dtype=np.int64))
    apart = np.abs(np.diff(found))
    assert 30_000 < apart.mean() < 37_000  # a third of the size, as of a random order
    assert (found == np.arange(100_000)).sum() < 10
    assert (found != Permutation(100_000, 2)(np.arange(100_000, dtype=np.int64))).mean() > 0.99


@given(st.integers(0, 300), st.integers(1, 7), st.booleans(), st.integers(1, 50))
def test_shards_of_rows_are_disjoint_and_complete(
    size: int, shards: int, is_shuffled: bool, batch: int
) -> None:
    shuffled = Permutation(size, 3) if is_shuffled else None
    seen: list[int] = []
    for number in range(shards):
        order = RowOrder(size, number, shards, shuffled)
        for start in range(0, len(order), batch):
            seen += order.rows(start, start + batch).tolist()
    assert sorted(seen) == list(range(size))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 20))
def test_groups_stay_together_in_one_shard(sizes: list[int], shards: int, batch: int) -> None:
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    seen: list[int] = []
    for number in range(shards):
        order = GroupOrder.of(bounds, number, shards, Permutation(len(sizes), 5))
        starts = range(0, len(order), batch)
        rows = [row for start in starts for row in order.rows(start, start + batch).tolist()]
        groups = (np.searchsorted(bounds, rows, side="right") - 1).tolist()
        changes = sum(left != right for left, right in pairwise(groups))
        assert changes == max(len(set(groups)) - 1, 0)
        seen += rows
    assert sorted(seen) == list(range(int(bounds[-1])))
