"""Sentiment of texts with Spark ML: the twin of the embedded engine's jobs.

Terms of three views (:mod:`.sentiment_text`) are hashed, weighed by rarity and
scaled to unit length; a multinomial logistic regression gives the probabilities of negative,
neutral and positive. It minimises log loss, which is what calibrates them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as sf

from spark_resources.cluster import ml_pipeline, sentiment_text
from spark_resources.cluster.hadoop import jvm
from spark_resources.cluster.output import materialised
from spark_resources.cluster.sentiment_report import SentimentReport, report_of
from spark_resources.cluster.sentiment_rules import (
    CALIBRATION_BINS,
    HELD_OUT_PARTS,
    NO_MODEL,
    misfit,
    shortage,
)
from spark_resources.cluster.sentiment_text import VIEWS

FORMAT: Final = "pipeline-assets sentiment pipeline"
FORMAT_VERSION: Final = 1
BUCKETS: Final[Mapping[str, int]] = {"words": 1 << 14, "characters": 1 << 13, "tone": 1 << 11}
REGULARISATION: Final = 0.001
ROUNDS: Final = 25


class SentimentError(ValueError):
    """There is too little to learn from, or no model that can be used."""


@dataclass(frozen=True)
class Learnt:
    """A fitted model, and how the same recipe did on texts it had not seen.

    Attributes:
        model: The pipeline as bytes.
        report: Measured on the held-out part.
        reviews: How many texts there were.
        origin: Which ones, in words.
    """

    model: bytes
    report: SentimentReport
    reviews: int
    origin: str

    @property
    def row(self) -> dict[str, Any]:
        """As the model's table has it."""
        measured = asdict(self.report)
        return {
            "model": self.model,
            "origin": self.origin,
            "reviews": self.reviews,
            "report": json.dumps({name: measured[name] for name in ("classes", "confusion")}),
            **{name: measured[name] for name in ("accuracy", "macro_f1", "calibration_error")},
        }

    @property
    def facts(self) -> dict[str, Any]:
        """What people who look at the publication want to know."""
        return {
            "model_bytes": len(self.model),
            "model_sha256": hashlib.sha256(self.model).hexdigest(),
            "origin": self.origin,
        }


def fit(reviews: DataFrame, seed: int, snapshots: str, work: str) -> Learnt:
    """Fit to four fifths, report on the fifth, then fit to all.

    Args:
        reviews: ``review_str``, ``sentiment`` from 0 to 2 and ``insert_date``.
        seed: Decides which fifth is held out.
        snapshots: What the reviews were read from, in words.
        work: A folder for what lies in between.

    Raises:
        SentimentError: A class has too few distinct texts.
    """
    spark = reviews.sparkSession
    feature = jvm(spark).org.apache.spark.ml.feature
    stages = [*sentiment_text.stages(feature), *_counters(feature)]
    reader = ml_pipeline.fitted(reviews, stages)
    read = _counted(ml_pipeline.applied(reader, _parted(reviews, seed)))
    counts = materialised(read, f"{work}/sentiment-counts").cache()
    try:
        _require_every_class(counts)
        seen, unseen = counts.filter("part <> 0"), counts.filter("part = 0")
        report = _report(_answered(_learnt(seen), unseen))
        whole = ml_pipeline.joined(spark, [reader, _learnt(counts)])
    finally:
        counts.unpersist()
    header = {"format": FORMAT, "version": FORMAT_VERSION, "spark": spark.version}
    model = ml_pipeline.pack(spark, whole, header, f"{work}/sentiment-model")
    return Learnt(model, report, *_origin(reviews, snapshots))


def predict(texts: DataFrame, model: bytes | None, work: str) -> DataFrame:
    """Every row with the sentiment of its ``review_str`` and how likely that is right.

    Any text is fine: a missing or blank one gets what is likeliest unseen.

    Args:
        texts: ``review_str`` and whatever else.
        model: As :func:`fit` stored it.
        work: A folder for the model's files.

    Returns:
        The columns of the texts, ``sentiment`` from 0 to 2, ``positive_review``, ``confidence``.

    Raises:
        SentimentError: There is no model, or not one of Spark's.
    """
    pipeline = ml_pipeline.unpack(texts.sparkSession, _readable(model), f"{work}/sentiment-model")
    answered = _answered(pipeline, texts)
    return answered.select(
        *texts.columns,
        "sentiment",
        (sf.col("sentiment") == 2).alias("positive_review"),
        "confidence",
    )


def _readable(model: bytes | None) -> bytes:
    if model is None:
        raise SentimentError(NO_MODEL)
    header = ml_pipeline.header_of(model)
    problem = misfit(header.get("format"), FORMAT)
    if problem is None and header.get("version") != FORMAT_VERSION:
        problem = f"the sentiment model has format version {header.get('version')}: train again"
    if problem is not None:
        raise SentimentError(problem)
    return model


def _parted(reviews: DataFrame, seed: int) -> DataFrame:
    """A part of 0 to 4 for each text, stratified; copies of a text are in the same part.

    Else the model would praise its own memory.
    """
    readable = reviews.filter("trim(coalesce(review_str, '')) <> ''")
    leaders = readable.groupBy("review_str").agg(sf.min("sentiment").alias("leader"))
    order = Window.partitionBy("leader").orderBy(
        sf.xxhash64(sf.lit(seed), "review_str"), "review_str"
    )
    part = (sf.row_number().over(order) - 1) % HELD_OUT_PARTS
    return readable.join(leaders.withColumn("part", part), "review_str")


def _counters(feature: Any) -> Iterator[Any]:  # noqa: ANN401 - Java's
    """Stages that count the terms of each view in buckets: once, not in every pass of a fit."""
    for view in VIEWS:
        counter = feature.HashingTF().setInputCol(view).setOutputCol(f"{view}_counts")
        # How often a tone is struck tells something; how often a word is repeated does not.
        yield counter.setNumFeatures(BUCKETS[view]).setBinary(view != "tone")


def _counted(read: DataFrame) -> DataFrame:
    counts = (f"{view}_counts" for view in VIEWS)
    return read.select("review_str", "leader", "part", sf.col("sentiment").alias("label"), *counts)


def _require_every_class(counts: DataFrame) -> None:
    distinct = counts.select("review_str", "leader").distinct().groupBy("leader").count()
    found = {row["leader"]: row["count"] for row in distinct.collect()}
    problem = shortage([found.get(label, 0) for label in range(3)])
    if problem:
        raise SentimentError(problem)


def _learnt(counts: DataFrame) -> Any:  # noqa: ANN401 - a Java object
    spark = counts.sparkSession
    ml = jvm(spark).org.apache.spark.ml
    stages: list[Any] = []
    for view in VIEWS:
        stages.append(ml.feature.IDF().setInputCol(f"{view}_counts").setOutputCol(f"{view}_rarity"))
        stages.append(
            ml.feature.Normalizer().setInputCol(f"{view}_rarity").setOutputCol(f"{view}_unit")
        )
    units = ml_pipeline.strings(spark, [f"{view}_unit" for view in VIEWS])
    stages.append(ml.feature.VectorAssembler().setInputCols(units).setOutputCol("features"))
    regression = ml.classification.LogisticRegression().setFamily("multinomial")
    # Standardised features would make the rarest words the loudest.
    stages.append(
        regression.setRegParam(REGULARISATION).setMaxIter(ROUNDS).setStandardization(False)
    )
    return ml_pipeline.fitted(counts, stages)


def _answered(pipeline: Any, texts: DataFrame) -> DataFrame:  # noqa: ANN401 - a Java object
    told = ml_pipeline.with_array(ml_pipeline.applied(pipeline, texts), "probability", "shares")
    numbered = told.withColumn("sentiment", sf.col("prediction").cast("int"))
    return numbered.withColumn("confidence", sf.get("shares", sf.col("sentiment")))


def _report(answered: DataFrame) -> SentimentReport:
    """One pass: how often each class was taken for each, and how sure it was in each bin."""
    bin_ = sf.least(sf.floor(sf.col("confidence") * CALIBRATION_BINS), sf.lit(CALIBRATION_BINS - 1))
    gap = (sf.col("label") == sf.col("sentiment")).cast("int") - sf.col("confidence")
    rows = (
        answered.groupBy("label", "sentiment", bin_.alias("bin"))
        .agg(sf.count(sf.lit(1)).alias("texts"), sf.sum(gap).alias("gap"))
        .collect()
    )
    confusion = [[0] * 3 for _ in range(3)]
    gaps = [0.0] * CALIBRATION_BINS
    for row in rows:
        confusion[row["label"]][row["sentiment"]] += row["texts"]
        gaps[row["bin"]] += row["gap"]
    return report_of(confusion, sum(map(abs, gaps)) / sum(map(sum, confusion)))


def _origin(reviews: DataFrame, snapshots: str) -> tuple[int, str]:
    """How many reviews there were, and which, in words."""
    windows = sf.countDistinct("insert_date").alias("windows")
    ends = sf.min("insert_date").alias("first"), sf.max("insert_date").alias("last")
    (row,) = reviews.agg(sf.count(sf.lit(1)).alias("reviews"), windows, *ends).collect()
    span = f"{row['windows']} windows, {row['first']} to {row['last']}"
    return row["reviews"], f"{row['reviews']:,} reviews of {span}; snapshot {snapshots}"
