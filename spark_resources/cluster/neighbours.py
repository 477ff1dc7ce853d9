"""The nearest neighbours of every name by cosine similarity, with Spark.

The cluster compares every pair, so the result is exact and equal to the embedded engine's.
Similarity is rounded to nine decimals, because engines add in different orders: without rounding,
pairs that tie on one engine would differ in the last digit on the other. Ties are ordered by name.
"""

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as sf

DECIMALS: Final = 9


def nearest(vectors: DataFrame, k: int) -> DataFrame:
    """Find the ``k`` nearest other names of every name.

    A zero vector has no direction, so its name is left out.

    Args:
        vectors: A name and its vector, in this order.
        k: Neighbours per name.

    Returns:
        ``name``, ``neighbour``, ``similarity`` and ``rank`` from 1.
    """
    unit = _directions(vectors.toDF("name", "vector"))
    other = unit.select(sf.col("name").alias("neighbour"), sf.col("unit").alias("theirs"))
    pairs = unit.crossJoin(other).filter("name <> neighbour")
    compared = pairs.select(
        "name",
        "neighbour",
        sf.round(_dot("unit", "theirs"), DECIMALS).alias("similarity"),
    )
    order = Window.partitionBy("name").orderBy(sf.desc("similarity"), "neighbour")
    ranked = compared.withColumn("rank", sf.row_number().over(order))
    return ranked.filter(sf.col("rank") <= k)


def _directions(vectors: DataFrame) -> DataFrame:
    doubles = vectors.select("name", sf.col("vector").cast("array<double>").alias("raw"))
    measured = doubles.withColumn("length", sf.sqrt(_dot("raw", "raw")))
    return measured.filter("length > 0").select(
        "name", sf.expr("transform(raw, x -> x / length)").alias("unit")
    )


def _dot(left: str, right: str) -> Column:
    products = f"zip_with({left}, {right}, (x, y) -> x * y)"
    return sf.expr(f"aggregate({products}, 0D, (total, product) -> total + product)")
