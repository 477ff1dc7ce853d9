"""The sentiment model against scikit-learn's defaults, on the same repeated splits of real reviews.

Run with ``python -m benchmarks.rentals.sentiment [--repeats N]`` from the repository; prints
Markdown. Texts: the rated movie snippets beside the repository (mean valence below -1 negative,
above 1 positive, else neutral) in three training sizes. The sample's reviews are left out: the word
lists of the model hold most words of their generator. Times are CPU seconds of one core: neighbours
on the machine matter less. Predictions a second are of the whole corpus.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.domains.rentals.plots import BINS
from pipeline_assets.domains.rentals.sentiment import LEARNING, classified, with_views
from pipeline_assets.learning.linear_text import fit
from pipeline_assets.learning.term_counts import LinearTextParameters

SNIPPETS: Final = Path("../shared/data/vader-reviews/movieReviewSnippets_GroundTruth.txt")
HELD_OUT: Final = 0.2
_SEEN: Final = to_sql(
    with_views(ibis.table({"review_str": "string", "sentiment": "int64"}, name="scored")), "duckdb"
)
_WEIGHTS: Final = {"view": "string", "term": "string", "sentiment": "int32", "weight": "int64"}
_ASKED: Final = to_sql(
    classified(
        ibis.table({"place": "int64", "review_str": "string"}, name="asked"),
        ibis.table(_WEIGHTS, name="model"),
    ),
    "duckdb",
)
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
    """The model of the rentals domain, with or without its word lists, all of it on DuckDB."""

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401 - of LEARNING
        self._parameters = LinearTextParameters(**{**LEARNING, "seed": 0, **changes})
        self._model = pa.table({})

    def fit(self, texts: Sequence[str], labels: Classes) -> None:
        """Trains on n texts and their classes."""
        scored = pa.table({"review_str": list(texts), "sentiment": labels})
        shuffled = f"FROM ({_SEEN}) ORDER BY md5(review_str), review_str"
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.register("scored", scored)
            documents = connection.execute(shuffled).to_arrow_table()
        self._model = fit(documents, self._parameters).table("sentiment")

    def predict(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Classes and confidence of n texts."""
        asked = pa.table({"place": range(len(texts)), "review_str": list(texts)})
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.register("asked", asked)
            connection.register("model", self._model)
            answers = connection.execute(f"FROM ({_ASKED}) ORDER BY place").to_arrow_table()
        return answers["sentiment"].to_numpy(), answers["confidence"].to_numpy()


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
    "ours without word lists": lambda: Ours(groups={}),
    "**ours**": Ours,
}


def movie_snippets() -> tuple[Texts, Classes]:
    """The 10,605 rated snippets; the file is latin-1: id, mean valence from -4 to 4, text."""
    rows = [line.split("\t", 2) for line in SNIPPETS.read_text("latin-1").splitlines()]
    valence = np.array([float(row[1]) for row in rows])
    labels = 1 + (valence > 1).astype(np.int64) - (valence < -1)
    return np.array([row[2] for row in rows], dtype=object), labels


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
    contender.predict(list(corpus.texts))
    seconds = time.process_time() - fitted
    classes, confidence = contender.predict(list(corpus.texts[unseen]))
    truth = corpus.labels[unseen]
    quality = (
        float(np.mean(classes == truth)),
        float(f1_score(truth, classes, average="macro")),
        calibration_error(classes == truth, confidence),
    )
    return *quality, fitted - started, len(corpus.texts) / seconds


def calibration_error(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> float:
    """Mean gap between confidence and accuracy over equal bins, weighted by size."""
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(bins, right - confidence, BINS)).sum() / len(right))


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
    )
    with threadpool_limits(1):
        for corpus in corpora:
            print(table(corpus, repeats), flush=True)


if __name__ == "__main__":
    main()
