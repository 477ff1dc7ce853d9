"""Runs any job on Spark: in this process, as an EMR step or on EMR Serverless.

On a cluster: ``spark-submit launch.py --job URI --manifest URI``. Nothing is needed there but
Spark 3.5 or 4.0 and our wheel.
"""

import argparse
import platform
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from pyspark.sql import SparkSession

from spark_resources.cluster import audits, output
from spark_resources.cluster.hadoop import delete, jvm, read_text, write_text
from spark_resources.cluster.kinds import Result, compute
from spark_resources.cluster.sources import register
from spark_resources.errors import reason_of
from spark_resources.job import Job, Manifest

WORK_FOLDER: Final = "_work"
"""Below a job's destination; Spark and Iceberg ignore names that start with an underscore."""

PARALLELISM_FIRST: Final = "spark.sql.adaptive.coalescePartitions.parallelismFirst"
"""Whether shuffled data are cut into a part per core, or only as large as is advised."""

SESSION: Final[Mapping[str, str]] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.adaptive.enabled": "true",
    # Files of a size that scans like.
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "128m",
    "spark.sql.sources.partitionOverwriteMode": "static",
}

FEW_CORES: Final = 8
"""So many files of a table are few, whatever their size; an idle core costs more."""


def execute(spark: SparkSession, job: Job) -> Manifest:
    """Run one job to its end.

    Args:
        spark: Any session; the job gets one of its own, so jobs do not see each other's tables.
        job: What to do.

    Returns:
        The manifest, still unwritten.

    Raises:
        UnexpectedPartitionError: The result has rows of a partition that is not the job's.
    """
    session = _session(spark)
    timings: dict[str, float] = {}
    with _timed(timings, "inputs"):
        for name, source in job.inputs.items():
            register(session, name, source)
    work = f"{job.destination.uri.rstrip('/')}/{WORK_FOLDER}"
    with _timed(timings, "execute"):
        result = compute(session, job, work)
        output.write(result.frame, job)
    delete(session, work)
    return _report(session, job, result, timings)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the job, run it, write the manifest last.

    Raises:
        SystemExit: It failed; says why in one line.
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
        # Said last, because runners show the last lines of the log.
        raise SystemExit(reason_of(error)) from error
    finally:
        spark.stop()


def run(spark: SparkSession, job_uri: str, manifest_uri: str) -> None:
    """Run the job that lies at a URI; its manifest appears whole, after everything else."""
    manifest = execute(spark, Job.from_json(read_text(spark, job_uri)))
    write_text(spark, manifest_uri, manifest.to_json())


def _session(spark: SparkSession) -> SparkSession:
    session = spark.newSession()
    for key, value in SESSION.items():
        session.conf.set(key, value)
    has_few_cores = spark.sparkContext.defaultParallelism <= FEW_CORES
    session.conf.set(PARALLELISM_FIRST, str(has_few_cores).lower())
    return session


def _report(session: SparkSession, job: Job, result: Result, timings: dict[str, float]) -> Manifest:
    with _timed(timings, "audit"):
        files = output.data_files(session, job)
        output.written(session, job).createOrReplaceTempView("output")
        rows, results, measures = audits.evaluate(session, job.audit)
        reports = {n: audits.rows_of(session, sql) for n, sql in job.audit.report_sql.items()}
    manifest = Manifest(job.token, rows, files, results, reports, timings)
    facts = {**_engine_facts(session), **result.facts}
    return replace(manifest, facts=facts, measures=measures)


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
