"""Word2Vec over weighted lists, trained by gensim.

A weight says how often a name occurs in a list. If a sentence repeated the name so often, the name
would become its own context. Instead, a list with highest weight R becomes R sentences in every
epoch. A name of weight w stands in w of them, once in each, and each sentence is shuffled. So no
name meets itself, and two names of weights v and w meet v * w / R times on average.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Final

import numpy as np
from gensim.models import Word2Vec
from numpy.typing import NDArray

WeightedList = Sequence[tuple[str, int]]
Lists = Callable[[], Iterable[WeightedList]]
Progress = Callable[[int, int], None]

# gensim ignores what exceeds this many words of a sentence.
LONGEST_SENTENCE: Final = 10_000
SENTENCES_AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Word2VecParameters:
    """The parameters of the training.

    Attributes:
        vector_size: Dimensions of a vector.
        window: A name learns from up to this many names on either side; for every name the distance
            is drawn between 1 and this.
        negative: Number of names drawn as counter-examples for every pair.
        epochs: Number of passes over the lists.
        seed: Seed of all random draws.
        learning_rate: The rate at the start; it falls linearly to `final_learning_rate`.
        sample: Names above this share of all occurrences are thinned out; 0 keeps all.
        ns_exponent: Counter-examples are drawn in proportion to frequency to this power.
    """

    vector_size: int = 50
    window: int = 5
    negative: int = 5
    epochs: int = 10
    seed: int = 1
    learning_rate: float = 0.15
    final_learning_rate: float = 0.0001
    sample: float = 0.0
    ns_exponent: float = 0.75


@dataclass(frozen=True)
class Embeddings:
    """Names in the order of their first occurrence, and their vectors, one row per name."""

    names: list[str]
    vectors: NDArray[np.float32]


def train(
    lists: Lists, parameters: Word2VecParameters, progress: Progress | None = None
) -> Embeddings:
    """Learn a vector for every name from the names beside it.

    The same lists in the same order and the same parameters give the same vectors. They are equal
    bit for bit on processors for which the linear algebra library takes the same code path. Memory
    holds the vocabulary, two vectors per name and some sentences.

    Args:
        lists: Called before the first epoch and once in every epoch; returns all lists. A list
            holds distinct names with whole weights from 1.
        parameters: The parameters of the training.
        progress: Called after every epoch with the number of finished epochs and of all epochs.

    Returns:
        Vectors for all names that stand beside another name in some list.
    """
    model = Word2Vec(
        sg=1,
        vector_size=parameters.vector_size,
        window=parameters.window,
        negative=parameters.negative,
        min_count=1,
        seed=parameters.seed,
        sample=parameters.sample,
        ns_exponent=parameters.ns_exponent,
        # Sorting by frequency would leave names of equal frequency in a random order.
        sorted_vocab=0,
        # Several threads would race for the vectors, and runs would not repeat.
        workers=1,
    )
    model.build_vocab(_sentences(lists(), f"{parameters.seed}"))
    for epoch in range(parameters.epochs):
        sentences = _sentences(lists(), f"{parameters.seed} {epoch}")
        _train_epoch(model, sentences, epoch, parameters)
        if progress:
            progress(epoch + 1, parameters.epochs)
    return Embeddings(list(model.wv.index_to_key), model.wv.vectors)


def _train_epoch(
    model: Word2Vec, sentences: Iterator[list[str]], epoch: int, parameters: Word2VecParameters
) -> None:
    """Train on one pass with a bounded number of sentences in memory.

    gensim reads a corpus in a thread of its own and waits for ever when reading fails. Here the
    sentences are read into a list first, so an error in reading is raised in this thread.
    """
    done = 0
    while some := list(islice(sentences, SENTENCES_AT_ONCE)):
        start = _learning_rate(parameters, epoch + done / model.corpus_count)
        done += len(some)
        end = _learning_rate(parameters, epoch + done / model.corpus_count)
        model.train(some, total_examples=len(some), epochs=1, start_alpha=start, end_alpha=end)


def _learning_rate(parameters: Word2VecParameters, epochs: float) -> float:
    """The rate after so many epochs. An epoch may have more sentences than the first one had."""
    first, last = parameters.learning_rate, parameters.final_learning_rate
    return first + (last - first) * min(1.0, epochs / parameters.epochs)


def _sentences(lists: Iterable[WeightedList], seed: str) -> Iterator[list[str]]:
    """The shuffled sentences of an epoch, without sentences of one word.

    A name of weight w stands in w of R sentences, an even step of R / w apart from a random start.
    So every sentence is equally likely, independent of the other names.
    """
    random = Random(seed)  # noqa: S311 - these draws must repeat
    for pairs in lists:
        rounds = max((weight for _, weight in pairs), default=0)
        sentences: list[list[str]] = [[] for _ in range(rounds)]
        for name, weight in pairs:
            start = random.randrange(rounds)
            for turn in range(weight):
                sentences[(start + turn * rounds // weight) % rounds].append(name)
        for words in sentences:
            if len(words) > 1:
                random.shuffle(words)
                for begin in range(0, len(words), LONGEST_SENTENCE):
                    yield words[begin : begin + LONGEST_SENTENCE]
