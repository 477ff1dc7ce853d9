"""Word2Vec over weighted lists, trained by gensim.

A weight says how often a name takes part. Writing the name that often into one sentence would make
it its own context. Here a list with highest weight R becomes R sentences every epoch; a name of
weight w stands in w of them, once in each, and each sentence is shuffled. So a name meets itself
nowhere, and two names of weights v and w are expected to meet v * w / R times.
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
    """What to learn and how hard.

    Attributes:
        vector_size: dimensions of a vector.
        window: a name learns from up to this many names on either side; the distance is drawn anew
            for every name, from 1 to this.
        negative: names drawn as counter-examples for every pair.
        epochs: passes over the lists.
        seed: of everything drawn at random.
        learning_rate: at the start; falls linearly to `final_learning_rate`.
        sample: names beyond this share of all occurrences are thinned out; 0 keeps all.
        ns_exponent: counter-examples are drawn in proportion to frequency to this power.
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
    """Names in the order in which they first occur, and their vectors, names x dimensions."""

    names: list[str]
    vectors: NDArray[np.float32]


def train(
    lists: Lists, parameters: Word2VecParameters, progress: Progress | None = None
) -> Embeddings:
    """Learn a vector for every name from the company it keeps.

    The same lists in the same order and the same parameters give the same vectors: bit for bit on
    processors for which the linear algebra library takes the same code path. Memory holds the
    vocabulary, two vectors a name and some sentences.

    Args:
        lists: called once per epoch and once before, each time to read all lists afresh; a list
            holds distinct names with weights, whole numbers from 1.
        parameters: see there.
        progress: called after every epoch with how many are done, of how many.

    Returns:
        All names that stand beside another in some list; nothing is known about the others.
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
        # Sorted by frequency, equally frequent names would be in no particular order.
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
    """Train on one pass, a bounded number of sentences in memory at a time.

    gensim reads a corpus in a thread, and waits for ever when that fails. A list can't fail, so
    whatever goes wrong while the sentences are read is raised here.
    """
    done = 0
    while some := list(islice(sentences, SENTENCES_AT_ONCE)):
        start = _learning_rate(parameters, epoch + done / model.corpus_count)
        done += len(some)
        end = _learning_rate(parameters, epoch + done / model.corpus_count)
        model.train(some, total_examples=len(some), epochs=1, start_alpha=start, end_alpha=end)


def _learning_rate(parameters: Word2VecParameters, epochs: float) -> float:
    """The rate after so many epochs; an epoch may have some sentences more than the first."""
    first, last = parameters.learning_rate, parameters.final_learning_rate
    return first + (last - first) * min(1.0, epochs / parameters.epochs)


def _sentences(lists: Iterable[WeightedList], seed: str) -> Iterator[list[str]]:
    """The shuffled sentences of an epoch, those of one word left out.

    A name of weight w among R rounds takes those at an even step of R / w from a random start: w
    different ones, each equally likely, independent of other names.
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
                yield from _pieces(words)


def _pieces(words: list[str]) -> Iterator[list[str]]:
    return (
        words[start : start + LONGEST_SENTENCE] for start in range(0, len(words), LONGEST_SENTENCE)
    )
