"""A linear text classifier of three classes or more: from lists of terms to a table of weights.

Whoever asks decides what a term is and gives the terms of a document view by view. Within a view
counts are weighed by rarity and divided by the square root of the number of known terms. Words of
known meaning can be grouped: what is learnt of a group holds for each of its words, also for those
that no training document has.

Two learners see the same numbers, a linear support vector machine and multinomial naive Bayes. A
logistic regression over what they say of documents they have not seen mixes and calibrates them.
All of it is linear, so it multiplies out to one weight for each term and class: the model.
"""

from collections.abc import Callable, Iterator, Sequence
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

from pipeline_assets.learning.term_counts import (
    FOLDS,
    Corpus,
    Labels,
    LinearTextParameters,
    count,
)

MILLIONTHS: Final = 1_000_000
Floats: TypeAlias = NDArray[np.float64]


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
        terms, classes = self.weights.shape
        place = np.repeat(np.arange(terms), classes)
        return pa.table(
            {
                "view": pa.array(self.views, pa.string()).take(pa.array(place)),
                "term": pa.array(self.terms, pa.string()).take(pa.array(place)),
                label: np.tile(np.arange(classes, dtype=np.int32), terms),
                "weight": self.weights.ravel(),
            }
        )


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
    corpus = count(documents, parameters)
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

    corpus: Corpus
    rarity: Floats
    known: NDArray[np.bool_]
    group_weight: float

    @classmethod
    def of(cls, corpus: Corpus, seen: NDArray[np.bool_], group_weight: float) -> "_Features":
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


def _unseen_scores(corpus: Corpus, learners: Sequence[_Learner], group_weight: float) -> Floats:
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
