import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.learning import word2vec
from pipeline_assets.learning.word2vec import Embeddings, WeightedList, Word2VecParameters, train

SMALL = Word2VecParameters(vector_size=8, epochs=3)


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
        named.append([(str(first + place), weight) for place, weight in enumerate(weights)])
        first += len(weights)
    return [list(map(int, words)) for words in word2vec._sentences(named, str(seed))]


def similarity(learnt: Embeddings, one: str, other: str) -> float:
    a, b = (learnt.vectors[learnt.names.index(name)] for name in (one, other))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_names_heard_together_end_up_together() -> None:
    learnt = train(two_tastes, Word2VecParameters(epochs=20))
    assert set(learnt.names) == {f"{taste}{n}" for taste in ("metal", "jazz") for n in range(5)}
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


@pytest.mark.parametrize("lists", [[], [[]], [[("a", 3)]], [[("a", 1)], [("b", 2)]]])
def test_nobody_beside_anybody(lists: list[WeightedList]) -> None:
    learnt = train(lambda: lists, SMALL)
    assert learnt.names == []
    assert learnt.vectors.shape == (0, 8)


def test_a_name_without_company_has_no_vector() -> None:
    learnt = train(lambda: [[("hermit", 3)], [("a", 1), ("b", 2)]], SMALL)
    assert sorted(learnt.names) == ["a", "b"]
    assert learnt.vectors.any(axis=1).all()


def test_a_list_longer_than_a_sentence_of_gensim_is_learnt_whole() -> None:
    long = [(f"{n:05d}", 2) for n in range(word2vec.LONGEST_SENTENCE + 500)]
    epoch = list(word2vec._sentences([long], "1"))
    assert max(map(len, epoch)) <= word2vec.LONGEST_SENTENCE
    assert Counter(name for words in epoch for name in words) == dict(long)


def test_the_learning_rate_falls_in_a_line_over_all_epochs() -> None:
    parameters = Word2VecParameters(epochs=4, learning_rate=0.2, final_learning_rate=0.1)
    rates = [word2vec._learning_rate(parameters, epochs) for epochs in (0, 2, 4, 4.1)]
    assert rates == pytest.approx([0.2, 0.15, 0.1, 0.1])


def test_names_of_any_kind() -> None:
    names = ["", '"', "a,b", "First\r\nSecond", "東京", "None"]
    learnt = train(lambda: [[(name, 2) for name in names]], SMALL)
    assert sorted(learnt.names) == sorted(names)
