import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline_assets.errors import PipelineError
from pipeline_assets.learning.neighbours import SCHEMA, top_neighbours

Row = tuple[str, str, float, int]


def rows(
    names: list[str], vectors: NDArray[np.floating], k: int = 10, block_rows: int = 512
) -> list[Row]:
    batches = list(top_neighbours(names, vectors, k, block_rows))
    table = pa.Table.from_batches(batches, schema=SCHEMA)
    return list(zip(*table.to_pydict().values(), strict=True))


def brute_force(names: list[str], vectors: NDArray[np.floating], k: int) -> list[Row]:
    """The definition: every pair, in double precision, sorted by similarity and place."""
    wide = vectors.astype(np.float64)
    norms = np.sqrt((wide * wide).sum(axis=1))
    known = np.flatnonzero(norms).tolist()
    found: list[Row] = []
    for i in known:
        similarity = (wide[known] @ wide[i] / norms[known] / norms[i]).round(9).tolist()
        cosine = dict(zip(known, similarity, strict=True))
        best = sorted(set(known) - {i}, key=lambda j: (-cosine[j], j))[:k]
        found += [(names[i], names[j], cosine[j], r) for r, j in enumerate(best, start=1)]
    return found


def random_vectors(count: int, dimensions: int = 50, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)


def labels(count: int) -> list[str]:
    return [f"artist {number:05d}" for number in range(count)]


def test_nearest_first_and_never_itself() -> None:
    vectors = np.array([[1, 0], [1, 0.1], [0, 1]], dtype=np.float32)
    found = rows(["a", "b", "c"], vectors, k=1)
    assert [(name, neighbour, rank) for name, neighbour, _, rank in found] == [
        ("a", "b", 1),
        ("b", "a", 1),
        ("c", "b", 1),
    ]


def test_equal_similarities_are_in_the_order_of_the_names() -> None:
    vectors = np.ones((4, 3), dtype=np.float32)
    found = rows(["a", "b", "d", "É"], vectors, k=2)
    assert [(name, neighbour) for name, neighbour, _, _ in found] == [
        ("a", "b"),
        ("a", "d"),
        ("b", "a"),
        ("b", "d"),
        ("d", "a"),
        ("d", "b"),
        ("É", "a"),
        ("É", "b"),
    ]
    assert {similarity for _, _, similarity, _ in found} == {1.0}


def test_zero_vectors_have_no_neighbours_and_are_none() -> None:
    vectors = np.array([[1, 0], [0, 0], [-1, 0]], dtype=np.float32)
    assert rows(["a", "b", "c"], vectors) == [("a", "c", -1.0, 1), ("c", "a", -1.0, 1)]


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_to_compare_with(count: int) -> None:
    assert rows(labels(count), random_vectors(count)) == []


# Few distinct values make exact and near ties.
@settings(max_examples=30, deadline=None)
@given(
    vectors=st.integers(1, 140).flatmap(
        lambda count: arrays(np.float32, (count, 3), elements=st.sampled_from([-1, 0, 0.5, 1]))
    ),
    k=st.integers(1, 12),
    block_rows=st.sampled_from([1, 7, 64, 512]),
)
def test_ties_equal_brute_force(vectors: NDArray[np.float32], k: int, block_rows: int) -> None:
    names = labels(len(vectors))
    assert rows(names, vectors, k, block_rows) == brute_force(names, vectors, k)


@pytest.mark.parametrize("count", [63, 64, 65, 900])
def test_equals_brute_force(count: int) -> None:
    vectors = random_vectors(count)
    assert rows(labels(count), vectors, 10) == brute_force(labels(count), vectors, 10)


@pytest.mark.parametrize("block_rows", [37, 256, 4096])
def test_the_block_size_changes_nothing(block_rows: int) -> None:
    vectors = np.concatenate([random_vectors(800), random_vectors(100)])
    expected = rows(labels(900), vectors)
    assert rows(labels(900), vectors, 10, block_rows) == expected


def test_of_many_as_near_the_first_by_name_are_chosen() -> None:
    found = rows(labels(300), np.ones((300, 4), dtype=np.float32), k=3)
    assert [row[1] for row in found[:3]] == labels(4)[1:]
    assert [row[1] for row in found[-3:]] == labels(3)
    assert len(found) == 900


def test_a_tie_behind_a_nearer_one_takes_the_first_by_name() -> None:
    """The search itself may leave out any of the equally near ones: here all but one of 90."""
    vectors = np.concatenate([np.ones((2, 2)), np.tile([[0.5, 1.0]], (90, 1))])
    found = rows(labels(92), vectors, k=2)
    assert [row[1] for row in found[:4]] == [labels(92)[place] for place in (1, 2, 0, 2)]


def test_similarity_is_the_same_both_ways() -> None:
    found = {(a, b): similarity for a, b, similarity, _ in rows(labels(50), random_vectors(50), 49)}
    assert all(found[b, a] == similarity for (a, b), similarity in found.items())


def test_a_vector_that_is_not_finite_is_named() -> None:
    vectors = np.array([[1, 0], [np.nan, 0]], dtype=np.float32)
    with pytest.raises(PipelineError, match="'b' is not finite"):
        rows(["a", "b"], vectors)
