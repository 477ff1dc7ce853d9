"""Computes the result of a job, by its kind, before anything is written."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from spark_resources.cluster import sentiment
from spark_resources.cluster.hadoop import delete
from spark_resources.cluster.neighbours import nearest
from spark_resources.cluster.output import materialised
from spark_resources.cluster.spark_types import ddl
from spark_resources.cluster.word2vec import embeddings
from spark_resources.job import Job


@dataclass(frozen=True)
class Result:
    """A lazy table, and facts about its computation for the manifest."""

    frame: DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)


def compute(session: SparkSession, job: Job, work: str) -> Result:
    """Compute a job's result, lazily where its kind allows.

    Args:
        session: Knows the job's inputs as tables.
        job: The job.
        work: A folder for intermediate files, which the caller removes.

    Raises:
        SentimentError: There is too little to learn from, or no model that can be used.
    """
    if job.kind == "query":
        return Result(session.sql(job.sql))
    if job.kind == "fixpoint":
        return _fixpoint(session, job, work)
    if job.kind == "word2vec":
        return Result(_placed(embeddings(session.sql(job.sql), job.parameters), job))
    if job.kind == "neighbours":
        return Result(_placed(nearest(session.sql(job.sql), int(job.parameters["k"])), job))
    if job.kind == "sentiment_fit":
        return _sentiment_fit(session, job, work)
    return _sentiment_predict(session, job, work)


def _sentiment_fit(session: SparkSession, job: Job, work: str) -> Result:
    snapshots = ", ".join(f"{name} {source.snapshot_id}" for name, source in job.inputs.items())
    learnt = sentiment.fit(session.sql(job.sql), int(job.parameters["seed"]), snapshots, work)
    row = tuple(learnt.row[name] for name in job.schema)
    return Result(session.createDataFrame([row], ddl(job.schema)), learnt.facts)


def _sentiment_predict(session: SparkSession, job: Job, work: str) -> Result:
    stored = session.sql(job.parameters["model_sql"]).first()
    model = bytes(stored[0]) if stored else None
    answered = sentiment.predict(session.sql(job.sql), model, work)
    return Result(answered, {"model_sha256": hashlib.sha256(model or b"").hexdigest()})


def _placed(learnt: DataFrame, job: Job) -> DataFrame:
    """Name the columns as the job does, and add the partition column."""
    # A learning job has one partition, so that the column is a constant.
    target = job.destination
    names = [name for name in job.schema if name != target.partition_column]
    named = learnt.toDF(*names)
    if target.partition_column is None:
        return named
    return named.withColumn(target.partition_column, sf.lit(target.partition_keys[0]))


def _fixpoint(session: SparkSession, job: Job, work: str) -> Result:
    """Repeat the job's step until the number of rows stays the same."""
    # Each round is written and read back, so that the plan does not grow with every round.
    state = materialised(session.sql(job.sql), f"{work}/round-0")
    rows = state.count()
    number, before = 0, -1
    while rows != before and number < job.parameters["max_rounds"]:
        number, before = number + 1, rows
        state.createOrReplaceTempView("state")
        step = session.sql(job.parameters["step_sql"])
        state = materialised(step, f"{work}/round-{number}")
        rows = state.count()
        delete(session, f"{work}/round-{number - 1}")
    state.createOrReplaceTempView("state")
    result = session.sql(job.parameters["result_sql"])
    return Result(result, {"rounds": number, "converged": rows == before})
