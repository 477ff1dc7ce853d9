"""Computes the result of a job, by its kind, before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from spark_resources.cluster.hadoop import delete
from spark_resources.cluster.neighbours import nearest
from spark_resources.cluster.output import materialised
from spark_resources.cluster.word2vec import embeddings
from spark_resources.job import Job, JobFormatError


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
        JobFormatError: Spark does not compute this kind.
    """
    if job.kind == "query":
        return Result(session.sql(job.sql))
    if job.kind == "fixpoint":
        return _fixpoint(session, job, work)
    if job.kind == "word2vec":
        return Result(_placed(embeddings(session.sql(job.sql), job.parameters), job))
    if job.kind == "neighbours":
        return Result(_placed(nearest(session.sql(job.sql), int(job.parameters["k"])), job))
    raise JobFormatError(f"Spark does not compute jobs of kind {job.kind}")


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
