"""Word2Vec over weighted lists with Spark ML, the twin of the embedded engine's.

A list with highest weight R becomes R sentences every epoch; a name of weight w stands in w of
them, once in each, at an even step of R / w from a random start. So weights count, and no name is
its own context. Spark ML learns by skip-gram with hierarchical softmax; it knows no
counter-examples, so ``negative`` means nothing to it.

All epochs are one long text that is read once. Spark ML's own iterations would show the same
sentences again, and each would begin with 10,000 words at the full learning rate, as if nothing had
been learnt: on short texts the rate never falls.
"""

from collections.abc import Mapping
from typing import Any, Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from spark_resources.cluster.hadoop import jvm

DEFAULTS: Final[Mapping[str, Any]] = {
    "vector_size": 50,
    "window": 5,
    "epochs": 10,
    "min_count": 1,
    "seed": 1,
    "step_size": 0.1,
}


def embeddings(lists: DataFrame, parameters: Mapping[str, Any]) -> DataFrame:
    """Learn a vector for every name from the company it keeps.

    The same lists and parameters give the same vectors; the order of rows does not matter.

    Args:
        lists: ``user_id``, ``artist_name``, ``weight``: a list per user, of distinct names.
        parameters: Any of :data:`DEFAULTS`.

    Returns:
        ``artist_name`` and ``embedding`` for every name in at least ``min_count`` lists; a name
        that never stood beside another has a zero vector.
    """
    chosen = {**DEFAULTS, **parameters}
    names = lists.groupBy("artist_name").count().filter(sf.col("count") >= chosen["min_count"])
    known = lists.join(names.select("artist_name"), "artist_name")
    nothing = sf.array_repeat(sf.lit(0.0).cast("float"), int(chosen["vector_size"]))
    learnt = _fit(sentences(known, int(chosen["seed"]), int(chosen["epochs"])), chosen)
    return names.join(learnt, "artist_name", "left").select(
        "artist_name", sf.coalesce("embedding", nothing).alias("embedding")
    )


def sentences(lists: DataFrame, seed: int, epochs: int) -> DataFrame:
    """The sentences of all epochs, shuffled anew in each, those of one word left out.

    Returns:
        ``epoch``, ``user_id`` and ``words``, in one fixed order.
    """
    placed = _placed(lists, seed, epochs)
    shuffle = sf.xxhash64(sf.lit(seed), "epoch", "sentence", "user_id", "artist_name")
    words = sf.sort_array(sf.collect_list(sf.struct(shuffle.alias("place"), "artist_name")))
    grouped = placed.groupBy("epoch", "user_id", "sentence").agg(words.alias("words"))
    spoken = grouped.filter(sf.size("words") > 1).orderBy("epoch", "user_id", "sentence")
    return spoken.select("epoch", "user_id", sf.col("words.artist_name").alias("words"))


def _placed(lists: DataFrame, seed: int, epochs: int) -> DataFrame:
    """Every name once for each sentence of its list that it stands in."""
    rounds = lists.groupBy("user_id").agg(sf.max("weight").cast("int").alias("rounds"))
    start = sf.pmod(sf.xxhash64(sf.lit(seed), "epoch", "user_id", "artist_name"), sf.col("rounds"))
    return (
        lists.join(rounds, "user_id")
        .withColumn("weight", sf.col("weight").cast("int"))
        .withColumn("epoch", sf.explode(sf.sequence(sf.lit(1), sf.lit(epochs))))
        .withColumn("start", start)
        .withColumn("turn", sf.explode(sf.sequence(sf.lit(0), sf.col("weight") - 1)))
        .withColumn("sentence", sf.expr("(start + turn * rounds div weight) % rounds"))
    )


def _fit(spoken: DataFrame, chosen: Mapping[str, Any]) -> DataFrame:
    """Through Java's own interface: the Python one imports NumPy, which a cluster may not have."""
    session = spoken.sparkSession
    ml = jvm(session).org.apache.spark.ml
    learner = (
        ml.feature.Word2Vec()
        .setInputCol("words")
        .setVectorSize(int(chosen["vector_size"]))
        .setWindowSize(int(chosen["window"]))
        .setMaxIter(1)
        .setMinCount(1)
        .setSeed(int(chosen["seed"]))
        .setStepSize(float(chosen["step_size"]))
        .setMaxSentenceLength(10_000)
    )
    # One partition: several would learn apart and be averaged at the end, and equally frequent
    # words would not keep their order, so that vectors would not repeat exactly.
    one = spoken.coalesce(1).cache()
    try:
        if one.isEmpty():
            return session.createDataFrame([], "artist_name STRING, embedding ARRAY<FLOAT>")
        vectors = learner.fit(one._jdf).getVectors()
        floats = ml.functions.vector_to_array(vectors.col("vector"), "float32")
        table = DataFrame(vectors.withColumn("embedding", floats), session)
    finally:
        one.unpersist()
    return table.select(sf.col("word").alias("artist_name"), "embedding")
