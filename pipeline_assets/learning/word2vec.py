"""Word2Vec over weighted lists: skip-gram with negative sampling, and no self-pairs from weights.

A weight says how often a name takes part. Writing the name that often into one sentence makes it
its own context. Here a list with highest weight R becomes R sentences every epoch; a name of weight
w stands in w of them, once in each, and each sentence is shuffled. So a name meets itself nowhere,
and two names of weights v and w are expected to meet v * w / R times.

gensim's compiled kernel does the learning. It is called batch by batch in this thread, because
gensim's own training loop makes the result depend on how many threads race, and waits for ever when
reading the input fails.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np
import pyarrow as pa
from gensim.models import Word2Vec
from gensim.models.word2vec_inner import train_batch_sg
from numpy.typing import NDArray

from pipeline_assets.errors import PipelineError

# The kernel ignores what exceeds this many words in one call.
BATCH_WORDS = 10_000
HIGHEST_WEIGHT = 100

WeightedList = Sequence[tuple[str, int]]
Lists = Callable[[], Iterable[WeightedList]]
Progress = Callable[[int, int], None]
Ints = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Word2VecParameters:
    """What to learn and how hard.

    Attributes:
        vector_size: dimensions of a vector.
        window: a name learns from up to this many names on either side; the distance is drawn anew
            for every name, from 1 to this.
        negative: names drawn as counter-examples for every pair.
        epochs: passes over the lists.
        min_count: names in fewer lists than this are left out. A name seen once or twice points
            straight at those few lists and crowds everyone's neighbours.
        seed: of everything drawn at random.
        learning_rate: at the start; falls linearly to `final_learning_rate`.
        sample: names beyond this share of all occurrences are thinned out; 0 keeps all.
        ns_exponent: counter-examples are drawn in proportion to frequency to this power.

    Raises:
        PipelineError: a value that makes no sense.
    """

    vector_size: int = 50
    window: int = 5
    negative: int = 5
    epochs: int = 10
    min_count: int = 5
    seed: int = 1
    learning_rate: float = 0.15
    final_learning_rate: float = 0.0001
    sample: float = 0.0
    ns_exponent: float = 0.75

    def __post_init__(self) -> None:
        for name in ("vector_size", "window", "negative", "epochs", "min_count"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(0 <= self.seed < 2**32, "seed", self.seed, "from 0 to 2**32 - 1")
        _require(0 < self.learning_rate <= 1, "learning_rate", self.learning_rate, "in (0, 1]")
        last, first = self.final_learning_rate, self.learning_rate
        _require(0 < last <= first, "final_learning_rate", last, "in (0, learning_rate]")
        _require(0 <= self.sample < 1, "sample", self.sample, "in [0, 1)")
        _require(-2 <= self.ns_exponent <= 2, "ns_exponent", self.ns_exponent, "in [-2, 2]")


def _require(holds: bool, name: str, value: float, wanted: str) -> None:
    if not holds:
        raise PipelineError(f"Word2Vec parameter {name} is {value}: give a value {wanted}")


@dataclass(frozen=True)
class Embeddings:
    """Names in code point order and their vectors, names x dimensions.

    A name that never stood beside another has a zero vector: nothing is known about it.
    """

    names: list[str]
    vectors: Vectors

    def record_batch(self) -> pa.RecordBatch:
        """One row per name: `artist_name`, and `embedding` as a list of floats."""
        size = self.vectors.shape[1]
        ends = pa.array(range(0, (len(self.names) + 1) * size, size), pa.int32())
        embedding = pa.ListArray.from_arrays(ends, pa.array(self.vectors.reshape(-1)))
        columns = {"artist_name": pa.array(self.names, pa.string()), "embedding": embedding}
        return pa.RecordBatch.from_pydict(columns)


def weighted_lists(batches: Iterable[pa.RecordBatch]) -> Iterator[WeightedList]:
    """The list of every user, from rows of `user_id`, `artist_name` and `weight` sorted by user.

    Raises:
        PipelineError: users that are not in ascending order.
    """
    columns = ("user_id", "artist_name", "weight")
    rows = (
        row
        for batch in batches
        for row in zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
    )
    previous = None
    for user, group in groupby(rows, key=itemgetter(0)):
        if previous is not None and user < previous:
            raise PipelineError(f"user {user!r} comes after {previous!r}: sort lists by user_id")
        previous = user
        yield [(name, weight) for _, name, weight in group]


def train(
    lists: Lists, parameters: Word2VecParameters, progress: Progress | None = None
) -> Embeddings:
    """Learn a vector for every name from the company it keeps.

    The same lists in the same order and the same parameters give the same vectors: bit for bit on
    processors for which the linear algebra library takes the same code path. The order of names
    inside a list does not matter. One thread learns, however many there are. Memory holds the
    vocabulary, two vectors a name and a batch of lists.

    Args:
        lists: called once per epoch and once before, each time to read all lists afresh; a list
            holds distinct names with weights, whole numbers from 1 to 100.
        parameters: see there.
        progress: told after every epoch how many are done, of how many.

    Returns:
        All names in at least `min_count` lists; nothing if there are none.

    Raises:
        PipelineError: a name twice in a list, or a weight out of range.
    """
    vocabulary = _vocabulary(lists(), parameters.min_count)
    if not vocabulary.names:
        return Embeddings([], np.zeros((0, parameters.vector_size), dtype=np.float32))
    learner = _Learner(vocabulary, parameters)
    for epoch in range(parameters.epochs):
        learner.run(lists(), epoch)
        if progress:
            progress(epoch + 1, parameters.epochs)
    return learner.embeddings()


@dataclass(frozen=True)
class _Vocabulary:
    """Names, most frequent first, ties in code point order, with their summed weights."""

    names: list[str]
    weights: list[int]


def _vocabulary(lists: Iterable[WeightedList], min_count: int) -> _Vocabulary:
    occurrences: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    for pairs in lists:
        _check(pairs)
        occurrences.update(name for name, _ in pairs)
        for name, weight in pairs:
            weights[name] += weight
    kept = [name for name in weights if occurrences[name] >= min_count]
    kept.sort(key=lambda name: (-weights[name], name))
    return _Vocabulary(kept, [weights[name] for name in kept])


def _check(pairs: WeightedList) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise PipelineError(f"{name!r} stands twice in a list: sum its plays before training")
    for name, weight in pairs:
        if not 1 <= weight <= HIGHEST_WEIGHT:
            raise PipelineError(
                f"{name!r} has weight {weight}: give whole numbers from 1 to {HIGHEST_WEIGHT}"
            )


class _Learner:
    """The gensim model, whose words are places in the vocabulary, and what feeds it."""

    def __init__(self, vocabulary: _Vocabulary, parameters: Word2VecParameters) -> None:
        self.vocabulary = vocabulary
        self.parameters = parameters
        self.places = {name: place for place, name in enumerate(vocabulary.names)}
        self.model = _model(vocabulary, parameters)
        self.work = np.zeros(parameters.vector_size, dtype=np.float32)
        self.accompanied = np.zeros(len(vocabulary.names), dtype=np.bool_)

    def run(self, lists: Iterable[WeightedList], epoch: int) -> None:
        """One pass over the lists."""
        random = np.random.default_rng([self.parameters.seed, epoch])
        total = sum(self.vocabulary.weights)
        done = 0
        for batch in _batches(lists, self.places):
            share = (epoch + min(1.0, done / total)) / self.parameters.epochs
            for job in _jobs(_sentences(batch, random)):
                train_batch_sg(self.model, job, self._rate(share), self.work, False)
            self.accompanied[batch.names[batch.company > 1]] = True
            done += int(batch.weights.sum())

    def _rate(self, share: float) -> float:
        first, last = self.parameters.learning_rate, self.parameters.final_learning_rate
        return first + (last - first) * share

    def embeddings(self) -> Embeddings:
        """What has been learnt, by name."""
        names = self.vocabulary.names
        order = sorted(range(len(names)), key=names.__getitem__)
        vectors = np.where(self.accompanied[:, None], self.model.wv.vectors, np.float32(0))
        return Embeddings([names[place] for place in order], vectors[order])


def _model(vocabulary: _Vocabulary, parameters: Word2VecParameters) -> Word2Vec:
    model = Word2Vec(
        sg=1,
        vector_size=parameters.vector_size,
        window=parameters.window,
        negative=parameters.negative,
        min_count=1,
        seed=parameters.seed,
        sample=parameters.sample,
        ns_exponent=parameters.ns_exponent,
        # The order is ours; gensim's own leaves that of ties to chance.
        sorted_vocab=0,
        workers=1,
    )
    model.build_vocab_from_freq(dict(enumerate(vocabulary.weights)))
    return model


@dataclass(frozen=True)
class _Batch:
    """Some lists laid end to end: for every entry its list, name and weight.

    `company` is the number of entries in the list of each, `rounds` the highest weight in it.
    """

    lists: Ints
    names: Ints
    weights: Ints
    company: Ints
    rounds: Ints


def _batches(lists: Iterable[WeightedList], places: Mapping[str, int]) -> Iterator[_Batch]:
    """Lists in places of the vocabulary, by place, a kernel call's worth at a time."""
    ready: list[list[tuple[int, int]]] = []
    words = 0
    for pairs in lists:
        known = sorted((places[name], weight) for name, weight in pairs if name in places)
        size = sum(weight for _, weight in known)
        if ready and words + size > BATCH_WORDS:
            yield _batch(ready)
            ready, words = [], 0
        ready.append(known)
        words += size
    yield _batch(ready)


def _batch(ready: list[list[tuple[int, int]]]) -> _Batch:
    lengths = np.array([len(pairs) for pairs in ready], dtype=np.int64)
    highest = np.array([max((w for _, w in pairs), default=0) for pairs in ready], dtype=np.int64)
    flat = np.array([pair for pairs in ready for pair in pairs], dtype=np.int64).reshape(-1, 2)
    return _Batch(
        lists=np.repeat(np.arange(len(ready)), lengths),
        names=flat[:, 0],
        weights=flat[:, 1],
        company=np.repeat(lengths, lengths),
        rounds=np.repeat(highest, lengths),
    )


def _sentences(batch: _Batch, random: np.random.Generator) -> list[list[int]]:
    """The shuffled sentences of an epoch, those of one word left out.

    A name of weight w among R rounds takes those at an even step of R / w from a random start: w
    different ones, each equally likely, independent of other names.
    """
    entry = np.repeat(np.arange(len(batch.names)), batch.weights)
    turn = np.arange(len(entry)) - np.repeat(_starts(batch.weights), batch.weights)
    rounds, weights = batch.rounds[entry], batch.weights[entry]
    start = random.integers(0, batch.rounds)[entry]
    sentence = batch.lists[entry] * HIGHEST_WEIGHT + (start + turn * rounds // weights) % rounds
    order = np.lexsort((random.random(len(entry)), sentence))
    words = batch.names[entry[order]].tolist()
    cuts = np.flatnonzero(np.diff(sentence[order], prepend=-1)).tolist()
    pieces = (words[a:b] for a, b in pairwise([*cuts, len(words)]))
    return [piece for piece in pieces if len(piece) > 1]


def _starts(sizes: Ints) -> Ints:
    return np.asarray(np.cumsum(sizes) - sizes)


def _jobs(sentences: Iterable[list[int]]) -> Iterator[list[list[int]]]:
    """Sentences in groups the kernel takes whole; longer ones are cut, which only ends a window."""
    job: list[list[int]] = []
    words = 0
    for sentence in sentences:
        for start in range(0, len(sentence), BATCH_WORDS):
            piece = sentence[start : start + BATCH_WORDS]
            if words + len(piece) > BATCH_WORDS:
                yield job
                job, words = [], 0
            job.append(piece)
            words += len(piece)
    yield job
