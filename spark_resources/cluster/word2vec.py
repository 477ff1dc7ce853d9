"""Learns Word2Vec embeddings from weighted lists with Spark ML.

A list whose highest weight is R becomes R sentences in every epoch. A name of weight w stands in w
of them, once in each, at an even step of R / w from a random start. So weights count, and no name
is its own context. Spark ML learns by skip-gram with hierarchical softmax. It has no negative
sampling, so it ignores the parameter ``negative`` of the embedded engine.

Spark ML reads all epochs as one text in one iteration. Each of its own iterations would repeat the
same sentences, and would start with 10,000 words at the full learning rate, which never falls on a
short text.
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
    "seed": 1,
    "step_size": 0.1,
}


def embeddings(lists: DataFrame, parameters: Mapping[str, Any]) -> DataFrame:
    """Learn a vector for every name from the names that stand beside it.

    The same lists and parameters give the same vectors, whatever the order of rows.

    Args:
        lists: A list's key, a name and its weight, in this order; a list names nothing twice.
        parameters: Any of :data:`DEFAULTS`.

    Returns:
        ``name`` and ``vector`` for every name that stands beside another in some list.
    """
    chosen = {**DEFAULTS, **parameters}
    named = lists.toDF("list", "name", "weight")
    return _fit(sentences(named, int(chosen["seed"]), int(chosen["epochs"])), chosen)


def sentences(lists: DataFrame, seed: int, epochs: int) -> DataFrame:
    """Write the sentences of all epochs, each epoch in another random order of words.

    Returns:
        ``epoch``, ``list`` and ``words``, in one fixed order, without sentences of one word.
    """
    placed = _placed(lists, seed, epochs)
    shuffle = sf.xxhash64(sf.lit(seed), "epoch", "sentence", "list", "name")
    words = sf.sort_array(sf.collect_list(sf.struct(shuffle.alias("place"), "name")))
    grouped = placed.groupBy("epoch", "list", "sentence").agg(words.alias("words"))
    spoken = grouped.filter(sf.size("words") > 1).orderBy("epoch", "list", "sentence")
    return spoken.select("epoch", "list", sf.col("words.name").alias("words"))


def _placed(lists: DataFrame, seed: int, epochs: int) -> DataFrame:
    """One row for each name and each sentence of its list that the name stands in."""
    rounds = lists.groupBy("list").agg(sf.max("weight").cast("int").alias("rounds"))
    start = sf.pmod(sf.xxhash64(sf.lit(seed), "epoch", "list", "name"), sf.col("rounds"))
    return (
        lists.join(rounds, "list")
        .withColumn("weight", sf.col("weight").cast("int"))
        .withColumn("epoch", sf.explode(sf.sequence(sf.lit(1), sf.lit(epochs))))
        .withColumn("start", start)
        .withColumn("turn", sf.explode(sf.sequence(sf.lit(0), sf.col("weight") - 1)))
        .withColumn("sentence", sf.expr("(start + turn * rounds div weight) % rounds"))
    )


def _fit(spoken: DataFrame, chosen: Mapping[str, Any]) -> DataFrame:
    # Through the Java interface: the Python one imports NumPy, which a cluster may not have.
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
    # With several partitions, Spark would train a model on each and average them, and the order of
    # equally frequent words would change from run to run: vectors would not repeat exactly.
    one = spoken.coalesce(1).cache()
    try:
        if one.isEmpty():
            return session.createDataFrame([], "name STRING, vector ARRAY<FLOAT>")
        vectors = learner.fit(one._jdf).getVectors()
        floats = ml.functions.vector_to_array(vectors.col("vector"), "float32")
        table = DataFrame(vectors.withColumn("vector", floats), session)
    finally:
        one.unpersist()
    return table.select(sf.col("word").alias("name"), "vector")
