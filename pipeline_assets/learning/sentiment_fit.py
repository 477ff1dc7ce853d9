"""Training of the linear sentiment model with scikit-learn.

Two learners see the same weighted features: a linear support vector machine (each class against
the rest) and multinomial naive Bayes. A multinomial logistic regression over their out-of-fold
scores mixes and calibrates them. All of it is linear, so the three multiply out to one matrix and
one intercept; that product is the model.

Regularisation comes from cross-validation by log loss, which rewards calibrated scores and moves
smoothly. Copies of one text always fall into the same fold, else the model would praise its own
memory.

A last step leans the choice towards rarer classes: of a few shifts the one with the best macro-F1
wins among those that cost at most `ACCURACY_GIVEN` of the out-of-fold accuracy. Confidence stays
the unshifted probability.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline_assets.errors import PipelineError
from pipeline_assets.learning.sentiment import (
    Floats,
    SentimentModel,
    Terms,
    predict,
    softmax,
    weigh,
)
from pipeline_assets.learning.sentiment_report import report
from pipeline_assets.learning.sentiment_text import (
    BUCKETS,
    CUE_COUNT,
    TextFeatures,
    batches,
    normalise,
    stack,
    text_features,
)
from spark_resources.cluster.sentiment_lexicon import ENGLISH, Lexicon
from spark_resources.cluster.sentiment_report import SentimentReport
from spark_resources.cluster.sentiment_rules import CLASSES, HELD_OUT_PARTS, MINIMUM_TEXTS, shortage

TRAINING_CHARACTERS: Final = 6_000_000
SEARCH_TEXTS: Final = 4_000
SEARCH_FOLDS: Final = 3
MARGINS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
NEAR_BEST: Final = 1.01
SMOOTHINGS: Final = (0.02, 0.05, 0.2, 0.8)
MIXTURE_STRENGTH: Final = 0.1
SHIFTS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
ACCURACY_GIVEN: Final = 0.005
RARE_CHARACTERS: Final = 2

Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Trained:
    """A model fitted on all texts, and how the same recipe fared on a part it had not seen."""

    model: SentimentModel
    report: SentimentReport


@dataclass(frozen=True, eq=False)
class _Linear:
    """Scores are features @ weights + intercept; (features, 3) and (3,) float64."""

    weights: Floats
    intercept: Floats

    def scores(self, matrix: sparse.csr_matrix) -> Floats:
        result: Floats = matrix @ self.weights + self.intercept
        return result


_Learner = Callable[[sparse.csr_matrix, Labels], _Linear]


def train(
    texts: Sequence[str | None],
    labels: Sequence[int],
    *,
    seed: int = 0,
    origin: str = "",
    lexicon: Lexicon = ENGLISH,
) -> Trained:
    """Cross-validates on four fifths, reports on the held-out fifth, then trains on all.

    Args:
        texts: n reviews; None and blank ones are left out, and of very many a stratified sample is
            taken (`TRAINING_CHARACTERS`).
        labels: n classes, 0 negative, 1 neutral, 2 positive.
        seed: decides the splits; same texts and seed, same model and report.
        origin: where the texts come from, such as a snapshot id; stored with the model.
        lexicon: the words of known tone.

    Raises:
        PipelineError: lengths differ, a label is no class, or a class has fewer than
            `MINIMUM_TEXTS` distinct texts.
    """
    sample = _sample(texts, labels, seed, lexicon)
    held_out = _parts(sample, HELD_OUT_PARTS, seed) == 0
    rest, unseen = sample.where(~held_out), sample.where(held_out)
    notes = {"seed": seed, "origin": origin}
    # One thread: the order of a sum must not depend on how many cores the machine has.
    with threadpool_limits(1):
        plan = _plan(rest, seed)
        classes, confidence = predict(_build(plan, rest, lexicon, notes), unseen.texts)
        model = _build(plan, sample, lexicon, notes)
    return Trained(model, report(unseen.labels, classes, confidence))


def fit(
    texts: Sequence[str | None],
    labels: Sequence[int],
    *,
    seed: int = 0,
    origin: str = "",
    lexicon: Lexicon = ENGLISH,
) -> SentimentModel:
    """A model without a report, all texts deciding on everything; else as `train`."""
    sample = _sample(texts, labels, seed, lexicon)
    with threadpool_limits(1):
        return _build(_plan(sample, seed), sample, lexicon, {"seed": seed, "origin": origin})


@dataclass(frozen=True, eq=False)
class _Sample:
    """n texts with their labels (n,), the number of each one's distinct text (n,), and features."""

    texts: list[str]
    labels: Labels
    distinct: Labels
    features: TextFeatures

    def where(self, kept: Flags) -> "_Sample":
        return _Sample(
            texts=[text for text, keep in zip(self.texts, kept, strict=True) if keep],
            labels=self.labels[kept],
            distinct=self.distinct[kept],
            features=self.features.rows(kept),
        )


def _sample(
    texts: Sequence[str | None], labels: Sequence[int], seed: int, lexicon: Lexicon
) -> _Sample:
    _require_labels(len(texts), labels)
    readable = [(normalise(text), int(label)) for text, label in zip(texts, labels, strict=True)]
    readable = [(text, label) for text, label in readable if text]
    known = {
        text: number for number, text in enumerate(dict.fromkeys(text for text, _ in readable))
    }
    distinct = np.array([known[text] for text, _ in readable], np.int64)
    classes = np.array([label for _, label in readable], np.int64)
    _require_every_class(classes, distinct)
    share = TRAINING_CHARACTERS / sum(len(text) for text, _ in readable)
    kept = _share(classes, distinct, share, seed)
    chosen = [text for (text, _), keep in zip(readable, kept, strict=True) if keep]
    features = stack([text_features(batch, lexicon) for batch in batches(chosen)])
    return _Sample(chosen, classes[kept], distinct[kept], features)


def _require_labels(texts: int, labels: Sequence[int]) -> None:
    if texts != len(labels):
        raise PipelineError(f"{texts} texts but {len(labels)} labels: give one label per text")
    unknown = sorted(set(labels) - {0, 1, 2})
    if unknown:
        raise PipelineError(
            f"label {unknown[0]} is no class: use 0, 1 or 2 (see sentiment_of_score)"
        )


def _require_every_class(labels: Labels, distinct: Labels) -> None:
    leaders = labels[np.unique(distinct, return_index=True)[1]]
    counts = np.bincount(leaders, minlength=3)
    problem = shortage(counts.tolist())
    if problem is not None:
        raise PipelineError(problem)


def _ranks(labels: Labels, distinct: Labels, seed: int) -> tuple[Labels, Labels]:
    """A random place of each text among the distinct texts of its class, and their number.

    Copies share a place, so whatever is decided by place keeps them together.
    """
    _, first, number = np.unique(distinct, return_index=True, return_inverse=True)
    leaders = labels[first]
    rank = np.empty(len(first), np.int64)
    random = np.random.default_rng(seed)
    for label in range(3):
        members = np.flatnonzero(leaders == label)
        rank[members] = random.permutation(len(members))
    return rank[number], np.bincount(leaders, minlength=3)[leaders][number]


def _parts(sample: _Sample, parts: int, seed: int) -> Labels:
    """A stratified part from 0 to parts - 1 for each text."""
    return _ranks(sample.labels, sample.distinct, seed)[0] % parts


def _share(labels: Labels, distinct: Labels, share: float, seed: int) -> Flags:
    """Flags that share of each class, but never fewer than the minimum."""
    rank, size = _ranks(labels, distinct, seed)
    flags: Flags = rank < np.maximum(MINIMUM_TEXTS, share * size)
    return flags


def _known_terms(features: TextFeatures) -> tuple[Terms, ...]:
    views = (features.words, 1), (features.characters, RARE_CHARACTERS), (features.tone, 1)
    return tuple(_terms(counts, rare) for counts, rare in views)


def _terms(counts: sparse.csr_matrix, rare: int) -> Terms:
    """The terms that occur in at least `rare` texts, with smoothed inverse document frequency."""
    frequency = np.bincount(counts.indices, minlength=BUCKETS)
    buckets = np.flatnonzero(frequency >= rare).astype(np.int32)
    rarity = 1 + np.log((1 + counts.shape[0]) / (1 + frequency[buckets]))
    return Terms(buckets, rarity.astype(np.float32))


@dataclass(frozen=True, eq=False)
class _Plan:
    """What cross-validation decided: regularisation, how to mix the learners, where to lean."""

    margin: float
    smoothing: float
    mixture: _Linear
    shift: Floats


def _plan(sample: _Sample, seed: int) -> _Plan:
    margin, smoothing = _search(sample, seed)
    folds = _parts(sample, _fold_count(sample), seed)
    scores = _out_of_fold([_margin(margin), _bayes(smoothing)], sample, folds)
    mixture = _mixture(np.hstack(scores), sample.labels)
    shift = _shift(mixture.scores(np.hstack(scores)), sample.labels)
    return _Plan(margin, smoothing, mixture, shift)


def _build(
    plan: _Plan, sample: _Sample, lexicon: Lexicon, notes: dict[str, object]
) -> SentimentModel:
    """Trains both learners on the sample and multiplies them out with the mixture."""
    terms = _known_terms(sample.features)
    matrix = weigh(sample.features, terms)
    learners = _margin(plan.margin), _bayes(plan.smoothing)
    fused = _product([learn(matrix, sample.labels) for learn in learners], plan.mixture)
    counts = np.bincount(sample.labels, minlength=3).tolist()
    return SentimentModel(
        terms=terms,
        weights=fused.weights.astype(np.float32),
        intercept=fused.intercept,
        shift=plan.shift,
        lexicon=lexicon,
        notes={
            **notes,
            "margin": plan.margin,
            "smoothing": plan.smoothing,
            "texts": dict(zip(CLASSES, counts, strict=True)),
        },
    )


def _margin(strength: float) -> _Learner:
    def learn(matrix: sparse.csr_matrix, labels: Labels) -> _Linear:
        machine = LinearSVC(C=strength, random_state=0, max_iter=5_000).fit(matrix, labels)
        return _Linear(machine.coef_.T, machine.intercept_)

    return learn


def _bayes(smoothing: float) -> _Learner:
    """Naive Bayes on the terms alone: cues may be negative, and are no counts."""

    def learn(matrix: sparse.csr_matrix, labels: Labels) -> _Linear:
        bayes = MultinomialNB(alpha=smoothing).fit(matrix[:, :-CUE_COUNT], labels)
        terms = bayes.feature_log_prob_.T
        weights = np.vstack([terms, np.zeros((CUE_COUNT, 3))])
        prior = bayes.class_log_prior_
        return _Linear(weights - weights.mean(axis=1, keepdims=True), prior - prior.mean())

    return learn


def _search(sample: _Sample, seed: int) -> tuple[float, float]:
    """The pair of strengths whose mixture loses least, on a sample large enough to tell.

    Of pairs that are as good as the best the one that remembers texts most firmly is taken: unseen
    texts do not mind, and reviews that come again word for word are then recognised.
    """
    searched = sample.where(
        _share(sample.labels, sample.distinct, SEARCH_TEXTS / len(sample.texts), seed)
    )
    folds = _parts(searched, min(SEARCH_FOLDS, _fold_count(searched)), seed)
    learners = [*map(_margin, MARGINS), *map(_bayes, SMOOTHINGS)]
    scores = _out_of_fold(learners, searched, folds)
    margins = zip(MARGINS, scores[: len(MARGINS)], strict=True)
    smoothings = zip(SMOOTHINGS, scores[len(MARGINS) :], strict=True)
    losses = {
        (margin, smoothing): _loss(np.hstack([left, right]), searched.labels)
        for (margin, left), (smoothing, right) in product(margins, smoothings)
    }
    near = {pair: loss for pair, loss in losses.items() if loss <= min(losses.values()) * NEAR_BEST}
    return min(near, key=lambda pair: (-pair[0], near[pair]))


def _loss(scores: Floats, labels: Labels) -> float:
    logits = _mixture(scores, labels).scores(scores)
    return float(log_loss(labels, softmax(logits)))


def _fold_count(sample: _Sample) -> int:
    """Five folds, three for large sets, where they cost more and teach less.

    Never more than a class has distinct texts.
    """
    wanted = 5 if len(sample.texts) <= 3 * SEARCH_TEXTS else 3
    return min(wanted, int(_ranks(sample.labels, sample.distinct, 0)[1].min()))


def _out_of_fold(learners: Sequence[_Learner], sample: _Sample, folds: Labels) -> list[Floats]:
    """Scores (n, 3) of each learner for each text while neither has seen it.

    Terms are learned per fold too: a text's own rare words, known in training and unknown later,
    would shift its scores and with them the calibration.
    """
    scores = [np.empty((len(sample.labels), 3)) for _ in learners]
    for fold in range(folds.max() + 1):
        unseen = folds == fold
        seen, labels = sample.features.rows(~unseen), sample.labels[~unseen]
        terms = _known_terms(seen)
        lessons, tests = weigh(seen, terms), weigh(sample.features.rows(unseen), terms)
        for score, learn in zip(scores, learners, strict=True):
            score[unseen] = learn(lessons, labels).scores(tests)
    return scores


def _mixture(scores: Floats, labels: Labels) -> _Linear:
    """Logits from scores (n, s): multinomial logistic regression on standardised scores."""
    centre, spread = scores.mean(axis=0), scores.std(axis=0)
    spread[spread == 0] = 1
    logistic = LogisticRegression(C=MIXTURE_STRENGTH, max_iter=1_000)
    logistic.fit((scores - centre) / spread, labels)
    weights = logistic.coef_.T / spread[:, None]
    return _Linear(weights, logistic.intercept_ - centre @ weights)


def _shift(logits: Floats, labels: Labels) -> Floats:
    """What to add to the logits when choosing: a power of the inverse class frequency, (3,)."""
    rarity = -np.log(np.bincount(labels, minlength=3) / len(labels))
    choices = [(logits + power * rarity).argmax(axis=1) for power in SHIFTS]
    accuracy = np.array([accuracy_score(labels, choice) for choice in choices])
    macro_f1 = np.array([f1_score(labels, choice, average="macro") for choice in choices])
    macro_f1[accuracy < accuracy.max() - ACCURACY_GIVEN] = 0
    shift: Floats = SHIFTS[int(macro_f1.argmax())] * rarity
    return shift


def _product(learners: Sequence[_Linear], mixture: _Linear) -> _Linear:
    shares = np.split(mixture.weights, len(learners))
    pairs = list(zip(learners, shares, strict=True))
    return _Linear(
        weights=np.add.reduce([learner.weights @ share for learner, share in pairs]),
        intercept=np.add.reduce(
            [mixture.intercept, *(learner.intercept @ share for learner, share in pairs)]
        ),
    )
