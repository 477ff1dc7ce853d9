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
    "seed": 1,
    "step_size": 0.1,
}


def embeddings(lists: DataFrame, parameters: Mapping[str, Any]) -> DataFrame:
    """Learn a vector for every name from the company it keeps.

    The same lists and parameters give the same vectors; the order of rows does not matter.

    Args:
        lists: A list's key, a name, its weight, in this order: lists of distinct names.
        parameters: Any of :data:`DEFAULTS`.

    Returns:
        ``name`` and ``vector`` for every name that stands beside another in some list.
    """
    chosen = {**DEFAULTS, **parameters}
    named = lists.toDF("list", "name", "weight")
    return _fit(sentences(named, int(chosen["seed"]), int(chosen["epochs"])), chosen)


def sentences(lists: DataFrame, seed: int, epochs: int) -> DataFrame:
    """The sentences of all epochs, shuffled anew in each, those of one word left out.

    Returns:
        ``epoch``, ``list`` and ``words``, in one fixed order.
    """
    placed = _placed(lists, seed, epochs)
    shuffle = sf.xxhash64(sf.lit(seed), "epoch", "sentence", "list", "name")
    words = sf.sort_array(sf.collect_list(sf.struct(shuffle.alias("place"), "name")))
    grouped = placed.groupBy("epoch", "list", "sentence").agg(words.alias("words"))
    spoken = grouped.filter(sf.size("words") > 1).orderBy("epoch", "list", "sentence")
    return spoken.select("epoch", "list", sf.col("words.name").alias("words"))


def _placed(lists: DataFrame, seed: int, epochs: int) -> DataFrame:
    """Every name once for each sentence of its list that it stands in."""
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
            return session.createDataFrame([], "name STRING, vector ARRAY<FLOAT>")
        vectors = learner.fit(one._jdf).getVectors()
        floats = ml.functions.vector_to_array(vectors.col("vector"), "float32")
        table = DataFrame(vectors.withColumn("vector", floats), session)
    finally:
        one.unpersist()
    return table.select(sf.col("word").alias("name"), "vector")
