"""Runs any job on Spark: in this process, as an EMR step or on EMR Serverless.

On a cluster the command is ``spark-submit launch.py --job URI --manifest URI``. It needs nothing
but Spark 3.5 or 4.0 and the project's wheel.
"""

import argparse
import platform
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from pyspark.sql import SparkSession

from spark_resources.cluster import audits, output
from spark_resources.cluster.hadoop import delete, jvm, read_text, write_text
from spark_resources.cluster.kinds import compute
from spark_resources.cluster.observed import Observed
from spark_resources.cluster.sources import register
from spark_resources.errors import reason_of
from spark_resources.job import Job, Manifest

WORK_FOLDER: Final = "_work"
"""A folder below a job's destination; readers ignore names that start with an underscore."""

PARALLELISM_FIRST: Final = "spark.sql.adaptive.coalescePartitions.parallelismFirst"
"""Whether a shuffle gives every core a task, or only makes tasks of the advised size."""

SESSION: Final[Mapping[str, str]] = {
    "spark.sql.session.timeZone": "UTC",
    # Iceberg's timestamp has no zone. Spark's default type would be stored as adjusted to UTC.
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.parquet.compression.codec": "zstd",
    # The legacy format stores decimals and lists in a way that Iceberg's readers do not expect.
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.adaptive.enabled": "true",
    # Larger files scan faster, and a task after a shuffle writes one file.
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "128m",
    "spark.sql.sources.partitionOverwriteMode": "static",
}

FEW_CORES: Final = 8
"""Up to so many cores each of them gets a task: an idle core costs more than a few small files."""


def execute(spark: SparkSession, job: Job) -> Manifest:
    """Run one job to its end, in a session of its own.

    Returns:
        The manifest, which the caller writes.

    Raises:
        UnexpectedPartitionError: The result has rows of a partition that the job does not name.
    """
    session = _session(spark)
    timings: dict[str, float] = {}
    with _timed(timings, "inputs"):
        for name, source in job.inputs.items():
            register(session, name, source)
    work = f"{job.destination.uri.rstrip('/')}/{WORK_FOLDER}"
    with _timed(timings, "execute"):
        result = compute(session, job, work)
        observed = output.write(result.frame, job)
    delete(session, work)
    return _report(session, job, result.facts, observed, timings)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the job that the command line names.

    Raises:
        SystemExit: The job failed; the message says why in one line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True, help="where the job's JSON lies")
    parser.add_argument("--manifest", required=True, help="where its manifest goes")
    parser.add_argument("--labels", help="who runs this; for people who list remote jobs")
    options = parser.parse_args(arguments)
    spark = SparkSession.builder.appName(options.labels or "pipeline").getOrCreate()
    try:
        run(spark, options.job, options.manifest)
    except Exception as error:
        traceback.print_exc()
        # The reason comes after the stack trace, because runners show the last lines of the log.
        raise SystemExit(reason_of(error)) from error
    finally:
        spark.stop()


def run(spark: SparkSession, job_uri: str, manifest_uri: str) -> None:
    """Run the job that lies at a URI, and write its manifest after everything else.

    The driver writes into a folder of its own. If the answer to a start is lost, the service may
    have started the job twice, and no driver may write among the files that another one lists.
    """
    job = Job.from_json(read_text(spark, job_uri))
    own = f"{job.destination.uri.rstrip('/')}/{uuid4().hex}"
    manifest = execute(spark, replace(job, destination=replace(job.destination, uri=own)))
    write_text(spark, manifest_uri, manifest.to_json())


def _session(spark: SparkSession) -> SparkSession:
    # With a session of its own, no job sees the tables of another one.
    session = spark.newSession()
    for key, value in SESSION.items():
        session.conf.set(key, value)
    has_few_cores = spark.sparkContext.defaultParallelism <= FEW_CORES
    session.conf.set(PARALLELISM_FIRST, str(has_few_cores).lower())
    return session


def _report(
    session: SparkSession,
    job: Job,
    facts: Mapping[str, Any],
    observed: Observed,
    timings: dict[str, float],
) -> Manifest:
    with _timed(timings, "audit"):
        files = output.data_files(session, job)
        aggregates = output.aggregates(session, job, files, observed)
        output.verified(session, job).createOrReplaceTempView("output")
        rows, results, measures = audits.evaluate(session, job, aggregates)
        reports = {n: audits.rows_of(session, sql) for n, sql in job.audit.report_sql.items()}
    manifest = Manifest(job.token, rows, files, results, reports, timings)
    return replace(manifest, facts={**_engine_facts(session), **facts}, measures=measures)


def _engine_facts(session: SparkSession) -> dict[str, Any]:
    context = session.sparkContext
    return {
        "spark": context.version,
        "java": str(jvm(session).java.lang.System.getProperty("java.version")),
        "python": platform.python_version(),
        "spark_application_id": context.applicationId,
        "parallelism": context.defaultParallelism,
    }


@contextmanager
def _timed(timings: dict[str, float], phase: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    timings[phase] = round(time.monotonic() - start, 3)
