"""What Spark learns beside what the embedded engine learns, from the same lists and reviews.

Run: ``python -m benchmarks.spark.learning [scale]``. Purity: the share of an artist's ten nearest
that are of its genre, over the sample's listeners. Recall: how often the ten artists nearest to a
listener's taste hold the one that was hidden. Prints Markdown; exits with 1 if Spark is more than
two points worse anywhere.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from pyspark.sql import SparkSession

from benchmarks.music.embeddings import TOP, Split, hide_one, planted, purity, recall
from pipeline_assets.learning.word2vec import Embeddings, Word2VecParameters, train
from spark_resources.cluster import word2vec
from spark_resources.runners.local import LocalConfig, LocalRunner

TOLERATED: Final = 0.02
SEED: Final = 1

Row = tuple[str, float, float]


def main(scale: float = 1.0) -> int:
    """Print all comparisons; how many of them are out of bounds."""
    with tempfile.TemporaryDirectory() as folder:
        spark = LocalRunner(LocalConfig(Path(folder), threads=2, memory_mib=2048)).session()
        rows = list(embeddings(spark, scale))
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


if __name__ == "__main__":
    sys.exit(bool(main(*map(float, sys.argv[1:]))))
