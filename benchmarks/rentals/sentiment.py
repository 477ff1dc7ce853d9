"""The sentiment model against scikit-learn's defaults, on the same repeated splits.

Run with ``python -m benchmarks.rentals.sentiment [--repeats N]`` from the repository; prints
Markdown. Texts: the rated movie snippets beside the repository (mean valence below -1 negative,
above 1 positive, else neutral) in three training sizes, the sample's film reviews, and made-up
product reviews with a skewed distribution of scores, in words that the model's lists do not know.
Times are CPU seconds of one core: neighbours on the machine matter less.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline_assets.learning.sentiment import SentimentModel, predict, sentiment_of_score
from pipeline_assets.learning.sentiment_fit import fit
from pipeline_assets.learning.sentiment_report import report
from pipeline_assets.sample.movie_reviews import SCORE_WEIGHTS, SCORES
from pipeline_assets.sample.review_texts import review_text
from spark_resources.cluster.sentiment_lexicon import ENGLISH, Lexicon, Tone

SNIPPETS: Final = Path("../shared/data/vader-reviews/movieReviewSnippets_GroundTruth.txt")
HELD_OUT: Final = 0.2
HEADINGS: Final = (
    "model",
    "accuracy",
    "macro-F1",
    "calibration error",
    "fit s",
    "predict rows/s",
)

Classes = NDArray[np.int64]
Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Corpus:
    """Texts and their classes, and how many to train on (None: all that is not held out)."""

    name: str
    texts: Texts
    labels: Classes
    training: int | None = None


class Contender(Protocol):
    """Learns from texts and classes, then names class and confidence of others."""

    def fit(self, texts: Sequence[str], labels: Classes) -> None:
        """Trains on n texts and their classes."""
        ...

    def predict(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Classes and confidence of n texts."""
        ...


class Ours:
    """The model of the rentals domain, with or without its word lists."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._model: SentimentModel | None = None

    def fit(self, texts: Sequence[str], labels: Classes) -> None:
        """Trains on n texts and their classes."""
        self._model = fit(texts, labels.tolist(), lexicon=self._lexicon)

    def predict(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Classes and confidence of n texts."""
        assert self._model is not None
        return predict(self._model, texts)


class Pipeline:
    """A scikit-learn vectoriser and classifier, both with their defaults."""

    def __init__(self, vectoriser: Any, classifier: Any) -> None:  # noqa: ANN401 (untyped library)
        self._pipeline = make_pipeline(vectoriser, classifier)

    def fit(self, texts: Sequence[str], labels: Classes) -> None:
        """Trains on n texts and their classes."""
        self._pipeline.fit(texts, labels)

    def predict(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Classes and confidence of n texts."""
        shares = self._pipeline.predict_proba(texts)
        return self._pipeline.classes_[shares.argmax(axis=1)], shares.max(axis=1)


CONTENDERS: Final[Mapping[str, Callable[[], Contender]]] = {
    "TF-IDF + logistic regression": lambda: Pipeline(TfidfVectorizer(), LogisticRegression()),
    "counts + multinomial naive Bayes": lambda: Pipeline(CountVectorizer(), MultinomialNB()),
    "TF-IDF + multinomial naive Bayes": lambda: Pipeline(TfidfVectorizer(), MultinomialNB()),
    "ours without word lists": lambda: Ours(Lexicon(("",) * len(Tone))),
    "**ours**": lambda: Ours(ENGLISH),
}


def movie_snippets() -> tuple[Texts, Classes]:
    """The 10,605 rated snippets; the file is latin-1: id, mean valence from -4 to 4, text."""
    rows = [line.split("\t", 2) for line in SNIPPETS.read_text("latin-1").splitlines()]
    valence = np.array([float(row[1]) for row in rows])
    labels = 1 + (valence > 1).astype(np.int64) - (valence < -1)
    return np.array([row[2] for row in rows], dtype=object), labels


def made_up_reviews(count: int, seed: int = 5) -> tuple[Texts, Classes]:
    """Product reviews of one to three clauses whose tone follows the score, mostly 4 and 5."""
    random = np.random.default_rng(seed)
    scores = random.choice(5, count, p=(0.1, 0.08, 0.14, 0.28, 0.4)) + 1
    texts = [_made_up_review(int(score), random) for score in scores]
    labels = [sentiment_of_score(int(score)) for score in scores]
    return np.array(texts, dtype=object), np.array(labels)


def sample_reviews(count: int, seed: int = 5) -> tuple[Texts, Classes]:
    """The film reviews of ``pipeline-assets sample``; three in a hundred belie their score."""
    random = Random(seed)
    scores = random.choices(SCORES, SCORE_WEIGHTS, k=count)
    texts = [review_text(random, score, "Quiet River") for score in scores]
    return np.array(texts, dtype=object), np.array([sentiment_of_score(score) for score in scores])


_THINGS: Final = (
    "the lid",
    "my order",
    "this kettle",
    "the battery",
    "the manual",
    "its motor",
    "the strap",
)
_VERDICTS: Final = (
    ("went up in smoke", "never charged", "arrived in pieces", "is going straight to the bin"),
    ("wobbles", "took three weeks", "is not what I paid for", "rattles after a day"),
    ("does what it says", "could be lighter", "is neither here nor there", "fits most of the time"),
    ("does its job nicely", "was here in two days", "is better than my last one", "fits well"),
    ("still runs like new", "made my morning", "is a joy", "could not be simpler to use"),
)


def _made_up_review(score: int, random: np.random.Generator) -> str:
    """Clauses whose tone wanders up to one score away: real reviews disagree with themselves."""
    tones = np.clip(score - 1 + random.choice((-1, 0, 0, 1), random.integers(1, 4)), 0, 4)
    clauses = [f"{random.choice(_THINGS)} {random.choice(_VERDICTS[tone])}" for tone in tones]
    return str(random.choice([", but ", ". ", " and "])).join(clauses)


def measure(corpus: Corpus, make: Callable[[], Contender], repeats: int) -> NDArray[np.float64]:
    """One row per split: accuracy, macro-F1, calibration error, fit seconds, rows a second."""
    splits = StratifiedShuffleSplit(
        repeats, test_size=HELD_OUT, train_size=corpus.training, random_state=7
    ).split(corpus.texts, corpus.labels)
    return np.array([_one_split(corpus, make(), seen, unseen) for seen, unseen in splits])


def _one_split(
    corpus: Corpus, contender: Contender, seen: Classes, unseen: Classes
) -> tuple[float, ...]:
    started = time.process_time()
    contender.fit(list(corpus.texts[seen]), corpus.labels[seen])
    fitted = time.process_time()
    classes, confidence = contender.predict(list(corpus.texts[unseen]))
    seconds = time.process_time() - fitted
    found = report(corpus.labels[unseen], classes.astype(np.int64), confidence)
    quality = (found.accuracy, found.macro_f1, found.calibration_error)
    return *quality, fitted - started, len(unseen) / seconds


def table(corpus: Corpus, repeats: int) -> str:
    """A Markdown table of all contenders, mean and standard deviation over the splits."""
    rows = [f"| {' | '.join(HEADINGS)} |", f"|---{'|---:' * (len(HEADINGS) - 1)}|"]
    for name, make in CONTENDERS.items():
        measured = measure(corpus, make, repeats)
        mean, deviation = measured.mean(axis=0), measured.std(axis=0)
        rows.append(
            f"| {name} | {mean[0]:.4f} ± {deviation[0]:.4f} | {mean[1]:.4f} ± {deviation[1]:.4f} "
            f"| {mean[2]:.3f} | {mean[3]:.2f} | {mean[4]:,.0f} |"
        )
    return "\n".join([f"### {corpus.name} ({repeats} splits)", "", *rows, ""])


def main() -> None:
    """Prints one table per corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="splits per table")
    repeats: int = parser.parse_args().repeats
    snippets = movie_snippets()
    corpora = (
        Corpus("Movie snippets, 8,484 to train on", *snippets),
        Corpus("Movie snippets, 1,000 to train on", *snippets, training=1_000),
        Corpus("Movie snippets, 200 to train on", *snippets, training=200),
        Corpus("The sample's film reviews, 1,600 to train on", *sample_reviews(2_000)),
        Corpus("Made-up product reviews, 1,600 to train on", *made_up_reviews(2_000)),
    )
    with threadpool_limits(1):
        for corpus in corpora:
            print(table(corpus, repeats), flush=True)


if __name__ == "__main__":
    main()
