"""A linear text classifier of three classes or more: from lists of terms to a table of weights.

Whoever asks decides what a term is and gives the terms of a document view by view. Within a view
counts are weighed by rarity and divided by the square root of the number of known terms. Words of
known meaning can be grouped: what is learnt of a group holds for each of its words, also for those
that no training document has.

Two learners see the same numbers, a linear support vector machine and multinomial naive Bayes. A
logistic regression over what they say of documents they have not seen mixes and calibrates them.
All of it is linear, so it multiplies out to one weight for each term and class: the model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline_assets.errors import PipelineError

MILLIONTHS: Final = 1_000_000
FOLDS: Final = 3
MINIMUM_DOCUMENTS: Final = 5
"""So many distinct documents of a class are needed to learn it."""

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class LinearTextParameters:
    """What there is to decide; nothing has a default, so every choice is part of a job.

    Attributes:
        document: Column with the text; copies of a text are never on both sides of a fold.
        label: Column with the number of the class.
        classes: Their names, in the order of their numbers.
        views: Columns with lists of terms.
        groups: By view, then by name: terms that mean alike. An entry that ends in ``*`` stands for
            every term that starts with it; a whole term wins, then the longest beginning.
        group_weight: How loud a group is beside a single term.
        margin: Strength of the support vector machine; larger trusts the documents more.
        smoothing: Of naive Bayes, in counts.
        seed: Decides which documents are in which fold.
        most_documents: Of more only so many are learnt from, chosen by the seed.
    """

    document: str
    label: str
    classes: Sequence[str]
    views: Sequence[str]
    groups: Mapping[str, Mapping[str, Sequence[str]]]
    group_weight: float
    margin: float
    smoothing: float
    seed: int
    most_documents: int


@dataclass(frozen=True, eq=False)
class Weights:
    """The model: for each class the weight of each term, in millionths.

    Attributes:
        views: Of each term, its view; the empty one for the offset, whose term is empty, too.
        terms: The terms.
        weights: Their weights, (terms, classes).
    """

    views: Sequence[str]
    terms: Sequence[str]
    weights: NDArray[np.int64]

    def table(self, label: str) -> pa.Table:
        """One row per term and class; the column of the class is named by the caller."""
        count, classes = self.weights.shape
        place = np.repeat(np.arange(count), classes)
        return pa.table(
            {
                "view": pa.array(self.views, pa.string()).take(pa.array(place)),
                "term": pa.array(self.terms, pa.string()).take(pa.array(place)),
                label: np.tile(np.arange(classes, dtype=np.int32), count),
                "weight": self.weights.ravel(),
            }
        )


@dataclass(frozen=True, eq=False)
class _Corpus:
    """Documents as counts of terms.

    Attributes:
        counts: (documents, terms).
        labels: The class of each document.
        folds: Which part each document is in.
        terms: The terms, in the order of the counts' columns.
        view: The number of each term's view.
        groups: Which groups each term belongs to, (terms, groups).
    """

    counts: sparse.csr_matrix
    labels: Labels
    folds: Labels
    terms: Sequence[str]
    view: Labels
    groups: sparse.csr_matrix


@dataclass(frozen=True, eq=False)
class _Linear:
    """Scores are features @ weights + offset."""

    weights: Floats
    offset: Floats


_Learner: TypeAlias = Callable[[sparse.csr_matrix, Labels], _Linear]


def fit(documents: pa.Table, parameters: LinearTextParameters) -> Weights:
    """Learn from documents; equal documents in equal order give equal weights.

    Args:
        documents: The columns that the parameters name; copies of a text are neighbours.
        parameters: See there.

    Raises:
        PipelineError: A class has too few distinct documents.
    """
    corpus = _corpus(documents, parameters)
    learners = _machine(parameters.margin), _bayes(parameters.smoothing)
    # One thread: the order of a sum must not depend on how many cores the machine has.
    with threadpool_limits(1):
        mixture = _mixture(_unseen_scores(corpus, learners, parameters.group_weight), corpus.labels)
        everything = np.ones(len(corpus.labels), np.bool_)
        known = _Features.of(corpus, everything, parameters.group_weight)
        learnt = [learn(known.of_documents(everything), corpus.labels) for learn in learners]
    shares = np.split(mixture.weights, len(learners))
    weights = sum(each.weights @ share for each, share in zip(learnt, shares, strict=True))
    offset = mixture.offset + sum(e.offset @ s for e, s in zip(learnt, shares, strict=True))
    folded = np.vstack([offset, known.per_term(np.asarray(weights))])
    # What speaks for all classes alike says nothing.
    centred = folded - folded.mean(axis=1, keepdims=True)
    return Weights(
        views=["", *(parameters.views[number] for number in corpus.view)],
        terms=["", *corpus.terms],
        weights=np.rint(centred * MILLIONTHS).astype(np.int64),
    )


@dataclass(frozen=True, eq=False)
class _Features:
    """How counts become numbers a learner sees: a column per term, then one per group."""

    corpus: _Corpus
    rarity: Floats
    known: NDArray[np.bool_]
    group_weight: float

    @classmethod
    def of(cls, corpus: _Corpus, seen: NDArray[np.bool_], group_weight: float) -> "_Features":
        """As the documents seen teach: a term that none of them has is unknown, unless grouped."""
        frequency = np.bincount(corpus.counts[seen].indices, minlength=len(corpus.terms))
        rarity = 1 + np.log((1 + seen.sum()) / (1 + frequency))
        known = (frequency > 0) | (np.diff(corpus.groups.indptr) > 0)
        return cls(corpus, rarity / rarity.max(), known, group_weight)

    def of_documents(self, chosen: NDArray[np.bool_]) -> sparse.csr_matrix:
        counts = self.corpus.counts[chosen]
        parts = [self._scaled(counts, number) for number in np.unique(self.corpus.view)]
        scaled = sum(parts[1:], parts[0])
        groups = scaled @ self.corpus.groups * self.group_weight
        return sparse.hstack([scaled @ sparse.diags(self.rarity), groups], format="csr")

    def per_term(self, weights: Floats) -> Floats:
        """What a term says for itself and for its groups."""
        own, group = np.split(weights, [len(self.corpus.terms)])
        folded: Floats = own * self.rarity[:, None]
        folded += self.corpus.groups @ group * self.group_weight
        return folded

    def _scaled(self, counts: sparse.csr_matrix, view: int) -> sparse.csr_matrix:
        chosen = (self.corpus.view == view) & self.known
        own = counts @ sparse.diags(chosen.astype(np.float64))
        total = np.asarray(own.sum(axis=1)).ravel()
        return sparse.diags(1 / np.sqrt(np.maximum(total, 1))) @ own


def _corpus(documents: pa.Table, parameters: LinearTextParameters) -> _Corpus:
    labels = documents[parameters.label].to_numpy().astype(np.int64)
    texts = documents[parameters.document].combine_chunks().dictionary_encode()
    copies = texts.indices.to_numpy().astype(np.int64)
    places = _places(labels, copies, parameters.classes)
    views = [_counted(documents[name].combine_chunks()) for name in parameters.views]
    found = [_grouped(terms, parameters, n) for n, (terms, _) in enumerate(views)]
    counts = [
        sparse.csr_matrix((c.data, c.indices, c.indptr), shape=(len(labels), len(terms)))
        for (_, c), (terms, _) in zip(views, found, strict=True)
    ]
    return _Corpus(
        counts=sparse.hstack(counts, format="csr"),
        labels=labels,
        folds=places % FOLDS,
        terms=[term for terms, _ in found for term in terms],
        view=np.repeat(np.arange(len(found)), [len(terms) for terms, _ in found]),
        groups=sparse.block_diag([groups for _, groups in found], format="csr"),
    )


def _places(labels: Labels, copies: Labels, classes: Sequence[str]) -> Labels:
    """The place of each document among the distinct ones of its class; copies share one.

    Raises:
        PipelineError: A class has too few distinct documents.
    """
    _, first, copy = np.unique(copies, return_index=True, return_inverse=True)
    leader = labels[first]
    found = np.bincount(leader, minlength=len(classes))
    if found.min() < MINIMUM_DOCUMENTS:
        raise PipelineError(_shortage(found.tolist(), classes))
    place = np.empty(len(first), np.int64)
    for label in range(len(classes)):
        place[leader == label] = np.arange(found[label])
    return place[copy]


def _shortage(found: Sequence[int], classes: Sequence[str]) -> str:
    scarce = [n for n, count in zip(classes, found, strict=True) if count < MINIMUM_DOCUMENTS]
    counted = ", ".join(f"{count} {n}" for n, count in zip(classes, found, strict=True))
    return (
        f"too few {' and '.join(scarce)} texts to train on: found {counted} distinct texts, "
        f"each class needs {MINIMUM_DOCUMENTS}; land more scored ones"
    )


def _counted(lists: pa.ListArray) -> tuple[list[str], sparse.csr_matrix]:
    """The distinct terms of a column of lists, and how often each list has each of them."""
    encoded = lists.flatten().dictionary_encode()
    rows = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
    ones, shape = np.ones(len(rows)), (len(lists), len(encoded.dictionary))
    counts = sparse.csr_matrix((ones, (rows, encoded.indices.to_numpy())), shape=shape)
    return encoded.dictionary.to_pylist(), counts


def _grouped(
    terms: list[str], parameters: LinearTextParameters, view: int
) -> tuple[list[str], sparse.csr_matrix]:
    """The terms with those that only groups have, and which group each is in."""
    groups = parameters.groups.get(parameters.views[view], {})
    entries = {entry: n for n, listed in enumerate(groups.values()) for entry in listed}
    whole = {entry: number for entry, number in entries.items() if not entry.endswith("*")}
    beginnings = {e.removesuffix("*"): number for e, number in entries.items() if e not in whole}
    every = [*terms, *sorted(whole.keys() - set(terms))]
    found = [(place, _group(term, whole, beginnings)) for place, term in enumerate(every)]
    members = np.array([pair for pair in found if pair[1] is not None], np.int64).reshape(-1, 2)
    shape = (len(every), len(groups))
    return every, sparse.csr_matrix((np.ones(len(members)), members.T), shape=shape)


def _group(term: str, whole: Mapping[str, int], beginnings: Mapping[str, int]) -> int | None:
    starts = (term[:length] for length in range(len(term), 0, -1))
    return whole.get(term, next((beginnings[s] for s in starts if s in beginnings), None))


def _machine(margin: float) -> _Learner:
    def learn(features: sparse.csr_matrix, labels: Labels) -> _Linear:
        machine = LinearSVC(C=margin, random_state=0, max_iter=5_000).fit(features, labels)
        return _Linear(machine.coef_.T, machine.intercept_)

    return learn


def _bayes(smoothing: float) -> _Learner:
    def learn(features: sparse.csr_matrix, labels: Labels) -> _Linear:
        bayes = MultinomialNB(alpha=smoothing).fit(features, labels)
        weights = bayes.feature_log_prob_.T
        return _Linear(weights - weights.mean(axis=1, keepdims=True), bayes.class_log_prior_)

    return learn


def _unseen_scores(corpus: _Corpus, learners: Sequence[_Learner], group_weight: float) -> Floats:
    """What each learner says of each document when it has not seen it, (documents, scores)."""
    scores = np.empty((len(corpus.labels), len(learners) * (corpus.labels.max() + 1)))
    for unseen in _parts(corpus.folds):
        features = _Features.of(corpus, ~unseen, group_weight)
        lessons, questions = features.of_documents(~unseen), features.of_documents(unseen)
        learnt = [learn(lessons, corpus.labels[~unseen]) for learn in learners]
        scores[unseen] = np.hstack([questions @ each.weights + each.offset for each in learnt])
    return scores


def _parts(folds: Labels) -> Iterator[NDArray[np.bool_]]:
    return (folds == fold for fold in range(FOLDS))


def _mixture(scores: Floats, labels: Labels) -> _Linear:
    """Calibrated logits from scores: a logistic regression on standardised ones."""
    centre, spread = scores.mean(axis=0), scores.std(axis=0)
    spread[spread == 0] = 1
    logistic: Any = LogisticRegression(C=0.1, max_iter=1_000)
    logistic.fit((scores - centre) / spread, labels)
    weights = logistic.coef_.T / spread[:, None]
    return _Linear(weights, logistic.intercept_ - centre @ weights)
