import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.errors import PipelineError
from pipeline_assets.learning import word2vec
from pipeline_assets.learning.word2vec import (
    Embeddings,
    WeightedList,
    Word2VecParameters,
    train,
    weighted_lists,
)

SMALL = Word2VecParameters(vector_size=8, epochs=3, min_count=1)


def two_tastes(listeners: int = 60) -> list[WeightedList]:
    """Half of the listeners hear five metal bands, the other half five jazz bands."""
    random = np.random.default_rng(0)
    return [
        [(f"{taste}{n}", int(random.integers(1, 6))) for n in random.permutation(5).tolist()]
        for taste in ("metal", "jazz")
        for _ in range(listeners // 2)
    ]


def sentences(lists: list[list[int]], seed: int = 0) -> list[list[int]]:
    """The sentences of one epoch for lists of weights, where names are 0, 1, 2... list by list."""
    named, first = [], 0
    for weights in lists:
        named.append(list(zip(range(first, first + len(weights)), weights, strict=True)))
        first += len(weights)
    return word2vec._sentences(word2vec._batch(named), np.random.default_rng(seed))


def similarity(learnt: Embeddings, one: str, other: str) -> float:
    a, b = (learnt.vectors[learnt.names.index(name)] for name in (one, other))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_names_heard_together_end_up_together() -> None:
    learnt = train(two_tastes, Word2VecParameters(epochs=20))
    assert learnt.names == [f"jazz{n}" for n in range(5)] + [f"metal{n}" for n in range(5)]
    assert learnt.vectors.shape == (10, 50)
    assert learnt.vectors.dtype == np.float32
    within = min(similarity(learnt, "jazz0", f"jazz{n}") for n in range(1, 5))
    across = max(similarity(learnt, "jazz0", f"metal{n}") for n in range(5))
    assert within > across + 0.2


@given(
    lists=st.lists(st.lists(st.integers(1, 7), max_size=8), max_size=6),
    seed=st.integers(0, 99),
)
def test_a_name_never_meets_itself_and_stands_as_often_as_its_weight(
    lists: list[list[int]], seed: int
) -> None:
    made = sentences(lists, seed)
    assert all(len(set(sentence)) == len(sentence) > 1 for sentence in made)
    seen = Counter(name for sentence in made for name in sentence)
    everyone = [(name, weights) for weights in lists for name in weights]
    for name, (weight, weights) in enumerate(everyone):
        heaviest = weight == max(weights)
        assert seen[name] <= weight if heaviest else seen[name] == weight


def test_lists_do_not_mix() -> None:
    made = sentences([[1, 2, 3], [2, 2]])
    assert {frozenset(sentence) <= {0, 1, 2} for sentence in made} == {True, False}
    assert all(set(sentence) <= {0, 1, 2} or set(sentence) <= {3, 4} for sentence in made)


def test_names_meet_in_proportion_to_the_product_of_their_weights() -> None:
    met = Counter(
        frozenset(pair)
        for seed in range(3000)
        for sentence in sentences([[1, 2, 2, 4]], seed)
        for pair in {(a, b) for a in sentence for b in sentence if a < b}
    )
    weights = [1, 2, 2, 4]
    for pair, times in met.items():
        one, other = (weights[name] for name in pair)
        assert times / 3000 == pytest.approx(one * other / 4, abs=0.05)


def test_every_order_in_a_sentence_is_as_likely() -> None:
    orders = Counter(tuple(s) for seed in range(3000) for s in sentences([[1, 1, 1]], seed))
    assert len(orders) == 6
    assert all(times == pytest.approx(500, abs=100) for times in orders.values())


def test_same_seed_same_vectors_another_seed_others() -> None:
    first, second = train(two_tastes, SMALL), train(two_tastes, SMALL)
    assert first.names == second.names
    assert first.vectors.tobytes() == second.vectors.tobytes()
    other = train(two_tastes, Word2VecParameters(vector_size=8, epochs=3, seed=2))
    assert other.vectors.tobytes() != first.vectors.tobytes()


def test_the_order_inside_a_list_does_not_matter() -> None:
    turned = [list(reversed(pairs)) for pairs in two_tastes()]
    again = train(lambda: turned, SMALL)
    assert again.vectors.tobytes() == train(two_tastes, SMALL).vectors.tobytes()


def test_the_same_in_a_process_with_another_hash_seed() -> None:
    program = (
        "from pipeline_assets_tests.learning.test_word2vec import SMALL, train, two_tastes\n"
        "print(train(two_tastes, SMALL).vectors.tobytes().hex())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == train(two_tastes, SMALL).vectors.tobytes().hex()


def test_progress_is_told_after_every_epoch() -> None:
    told: list[tuple[int, int]] = []
    train(two_tastes, SMALL, lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_lists_are_read_as_a_stream_once_per_epoch_and_once_before() -> None:
    opened = []

    def stream() -> Iterator[WeightedList]:
        opened.append(True)
        yield from two_tastes()

    train(stream, SMALL)
    assert len(opened) == 4


@pytest.mark.parametrize("failing", [1, 2])
def test_a_reader_that_fails_is_heard(failing: int) -> None:
    reads = count(1)

    def stream() -> Iterator[WeightedList]:
        yield from two_tastes()
        if next(reads) == failing:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        train(stream, SMALL)


@pytest.mark.parametrize("lists", [[[("a", 3)]], [[("a", 1)], [("b", 2)]]])
def test_nobody_beside_anybody(lists: list[WeightedList]) -> None:
    assert not train(lambda: lists, SMALL).vectors.any()


@pytest.mark.parametrize("lists", [[], [[]]])
def test_nothing_in_nothing_out(lists: list[WeightedList]) -> None:
    learnt = train(lambda: lists, SMALL)
    assert learnt.names == []
    assert learnt.vectors.shape == (0, 8)


def test_a_name_without_company_has_a_zero_vector() -> None:
    learnt = train(lambda: [[("hermit", 3)], [("a", 1), ("b", 2)]], SMALL)
    assert learnt.names == ["a", "b", "hermit"]
    assert learnt.vectors.any(axis=1).tolist() == [True, True, False]


def test_rare_names_are_left_out_by_the_number_of_lists_not_by_weight() -> None:
    lists = [[("a", 1), ("b", 1)], [("a", 1), ("b", 1), ("once", 50)]]
    learnt = train(lambda: lists, Word2VecParameters(vector_size=8, min_count=2))
    assert learnt.names == ["a", "b"]
    assert train(lambda: lists, Word2VecParameters(min_count=3)).names == []


def test_a_list_longer_than_one_call_of_the_kernel_is_learnt_whole() -> None:
    long = [(f"{n:05d}", 2) for n in range(word2vec.BATCH_WORDS + 500)]
    learnt = train(
        lambda: [long], Word2VecParameters(vector_size=2, epochs=1, window=1, min_count=1)
    )
    untrained = word2vec._model(word2vec._vocabulary([long], 1), Word2VecParameters(vector_size=2))
    assert (learnt.vectors != untrained.wv.vectors).any(axis=1).all()


@settings(max_examples=30)
@given(st.lists(st.integers(1, 25_000), max_size=12))
def test_jobs_keep_every_word_in_order_and_fit_the_kernel(lengths: list[int]) -> None:
    made = [list(range(length)) for length in lengths]
    jobs = list(word2vec._jobs(made))
    assert all(sum(map(len, job)) <= word2vec.BATCH_WORDS for job in jobs)
    assert [w for job in jobs for s in job for w in s] == [w for s in made for w in s]


def rows_of(lists: dict[str, WeightedList]) -> list[dict[str, str | int]]:
    return [
        {"user_id": user, "artist_name": name, "weight": weight}
        for user, pairs in lists.items()
        for name, weight in pairs
    ]


@given(
    lists=st.dictionaries(
        st.text(max_size=2),
        st.lists(st.tuples(st.text(max_size=2), st.integers(1, 9)), min_size=1, max_size=4),
        max_size=6,
    ),
    rows_at_once=st.integers(1, 5),
)
def test_lists_from_record_batches_of_any_size(
    lists: dict[str, WeightedList], rows_at_once: int
) -> None:
    ordered = dict(sorted(lists.items()))
    schema = pa.schema(
        [("user_id", pa.string()), ("artist_name", pa.string()), ("weight", pa.int32())]
    )
    table = pa.Table.from_pylist(rows_of(ordered), schema=schema)
    batches = table.to_batches(max_chunksize=rows_at_once)
    assert list(weighted_lists(batches)) == list(ordered.values())


def test_users_out_of_order_are_named() -> None:
    batch = pa.RecordBatch.from_pylist(rows_of({"b": [("x", 1)], "a": [("x", 1)]}))
    with pytest.raises(PipelineError, match="user 'a' comes after 'b'"):
        list(weighted_lists([batch]))


def test_embeddings_as_rows() -> None:
    vectors = np.array([[1, 2], [3, 4]], dtype=np.float32)
    batch = Embeddings(["a", "b"], vectors).record_batch()
    assert batch.schema.field("embedding").type == pa.list_(pa.float32())
    assert batch.to_pylist() == [
        {"artist_name": "a", "embedding": [1, 2]},
        {"artist_name": "b", "embedding": [3, 4]},
    ]
    assert train(list, SMALL).record_batch().schema == batch.schema


def test_names_of_any_kind() -> None:
    names = ["", '"', "a,b", "First\r\nSecond", "東京", "None"]
    learnt = train(lambda: [[(name, 2) for name in names]], SMALL)
    assert learnt.names == sorted(names)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([("a", 1), ("b", 1), ("a", 2)], "'a' stands twice"),
        ([("a", 0)], "'a' has weight 0"),
        ([("a", 101)], "'a' has weight 101"),
    ],
)
def test_lists_that_make_no_sense_are_named(wrong: WeightedList, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        train(lambda: [wrong], SMALL)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Word2VecParameters(vector_size=0),
        lambda: Word2VecParameters(window=0),
        lambda: Word2VecParameters(negative=0),
        lambda: Word2VecParameters(epochs=0),
        lambda: Word2VecParameters(min_count=0),
        lambda: Word2VecParameters(seed=-1),
        lambda: Word2VecParameters(learning_rate=0),
        lambda: Word2VecParameters(learning_rate=float("nan")),
        lambda: Word2VecParameters(final_learning_rate=0.3),
        lambda: Word2VecParameters(sample=1),
        lambda: Word2VecParameters(ns_exponent=9),
    ],
)
def test_parameters_that_make_no_sense_are_refused(build: Callable[[], Word2VecParameters]) -> None:
    with pytest.raises(PipelineError, match="Word2Vec parameter"):
        build()
