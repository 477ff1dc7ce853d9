"""What Spark learns beside what the embedded engine learns, from the same lists and reviews.

Run: ``python -m benchmarks.spark.learning [scale]``. Purity: the share of an artist's ten nearest
that are of its genre, over the sample's listeners. Recall: how often the ten artists nearest to a
listener's taste hold the one that was hidden. Accuracy: the share of right answers on a fifth of
the sample's scored reviews that neither model has seen. Prints Markdown; exits with 1 if Spark is
more than two points worse anywhere.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from pyspark.sql import SparkSession

from benchmarks.music.embeddings import TOP, Split, hide_one, planted, purity, recall
from pipeline_assets.learning.sentiment import predict as embedded_predict
from pipeline_assets.learning.sentiment_fit import fit as embedded_fit
from pipeline_assets.learning.word2vec import Embeddings, Word2VecParameters, train
from pipeline_assets.sample.review_texts import review_text
from spark_resources.cluster import sentiment, word2vec
from spark_resources.runners.local import LocalConfig, LocalRunner

TOLERATED: Final = 0.02
REVIEWS: Final = 3_000
SEED: Final = 1
SCORED: Final = "review_str STRING, sentiment INT, insert_date STRING"

Review = tuple[str, int, str]
Row = tuple[str, float, float]


def main(scale: float = 1.0) -> int:
    """Print all comparisons; how many of them are out of bounds."""
    with tempfile.TemporaryDirectory() as folder:
        spark = LocalRunner(LocalConfig(Path(folder), threads=2, memory_mib=2048)).session()
        rows = [*embeddings(spark, scale), sentiments(spark, scale, folder)]
    print("| | embedded | Spark |\n|---|---:|---:|")
    for name, embedded, on_spark in rows:
        print(f"| {name} | {embedded:.3f} | {on_spark:.3f} |")
    return sum(embedded - on_spark > TOLERATED for _, embedded, on_spark in rows)


def embeddings(spark: SparkSession, scale: float) -> Iterator[Row]:
    """Purity and recall of both engines' vectors."""
    listening = planted(scale, SEED)
    split = hide_one(listening.lists, SEED)
    embedded, on_spark = embedded_vectors(split), spark_vectors(spark, split)
    yield (
        f"genre purity@{TOP}, {len(embedded.names):,} artists",
        purity(embedded, listening.genres),
        purity(on_spark, listening.genres),
    )
    yield (
        f"hidden artist recall@{TOP}, {len(split.lists):,} listeners",
        recall(embedded, split),
        recall(on_spark, split),
    )


def embedded_vectors(split: Split) -> Embeddings:
    """What gensim learns."""
    return train(lambda: iter(split.lists), Word2VecParameters())


def spark_vectors(spark: SparkSession, split: Split) -> Embeddings:
    """What Spark ML learns."""
    rows = [
        (user, str(name), int(weight))
        for user, listed in enumerate(split.lists)
        for name, weight in listed
    ]
    lists = spark.createDataFrame(rows, "user_id LONG, artist_name STRING, weight INT")
    learnt = word2vec.embeddings(lists, {}).orderBy("name").collect()
    vectors = np.array([row["vector"] for row in learnt], np.float32)
    return Embeddings([row["name"] for row in learnt], vectors)


def sentiments(spark: SparkSession, scale: float, folder: str) -> Row:
    """Accuracy of both engines' models."""
    reviews = scored_reviews(round(REVIEWS * scale))
    accuracies = embedded_accuracy(reviews), spark_accuracy(spark, reviews, folder)
    return f"sentiment accuracy, {len(reviews):,} reviews", *accuracies


def scored_reviews(count: int) -> list[Review]:
    """Reviews of the sample's grammar, with the class of their score; the first fifth is unseen."""
    draw = random.Random(SEED)
    scores = [draw.randint(1, 5) for _ in range(count)]
    labels = [0 if score <= 2 else 1 if score == 3 else 2 for score in scores]
    texts = [review_text(draw, score, "Iron Garden") for score in scores]
    return [(text, label, "2026-01-01") for text, label in zip(texts, labels, strict=True)]


def embedded_accuracy(reviews: list[Review]) -> float:
    """Of scikit-learn's model."""
    unseen, seen = halves(reviews)
    model = embedded_fit([text for text, _, _ in seen], [label for _, label, _ in seen])
    answers, _ = embedded_predict(model, [text for text, _, _ in unseen])
    return float(np.mean(answers == [label for _, label, _ in unseen]))


def spark_accuracy(spark: SparkSession, reviews: list[Review], folder: str) -> float:
    """Of Spark ML's pipeline."""
    unseen, seen = halves(reviews)
    frame = spark.createDataFrame(seen, SCORED).repartition(2)
    learnt = sentiment.fit(frame, SEED, "benchmark", f"{folder}/fit")
    asked = spark.createDataFrame(unseen, SCORED.replace("sentiment", "truth"))
    answered = sentiment.predict(asked, learnt.model, f"{folder}/predict")
    right = answered.filter("truth = sentiment").count()
    return right / len(unseen)


def halves(reviews: list[Review]) -> tuple[list[Review], list[Review]]:
    """What is kept back, and what is learnt from."""
    return reviews[: len(reviews) // 5], reviews[len(reviews) // 5 :]


if __name__ == "__main__":
    sys.exit(bool(main(*map(float, sys.argv[1:]))))
