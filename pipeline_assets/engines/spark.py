"""Spark as an engine: on this machine, as EMR steps or on EMR Serverless.

A runner starts the job and waits for it; this class translates its errors.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.dataset.values.progress import Log
from pipeline_assets.errors import PipelineError
from spark_resources.errors import JobFailedError
from spark_resources.job import Job, Kind, Manifest
from spark_resources.runners.jvm import NoJavaError
from spark_resources.runners.runner import Runner

SparkName: TypeAlias = Literal["spark", "emr", "emr-serverless"]


@dataclass(frozen=True)
class SparkEngine:
    """Runs jobs through one of the Spark runners.

    Attributes:
        name: The name in settings and metadata.
        runner: What starts jobs and waits for them.
    """

    name: SparkName
    runner: Runner

    dialect: Final[Dialect] = "pyspark"
    kinds: Final[Collection[Kind]] = ("query", "fixpoint", "word2vec", "neighbours")

    def token(self, work: Callable[[], str], log: Log) -> str:
        """See :class:`pipeline_assets.engines.engine.Engine`."""
        try:
            return self.runner.token(work, log)
        except JobFailedError as error:
            raise PipelineError(f"{self.name}: {error}") from error

    def run(self, job: Job, log: Log) -> Manifest:
        """See :class:`pipeline_assets.engines.engine.Engine`.

        The error's cause is a :class:`~spark_resources.errors.JobFailedError`, whose ``facts`` and
        ``log_tail`` are what the page of a run shows beside the message.
        """
        try:
            return self.runner.run(job, log)
        except (JobFailedError, NoJavaError) as error:
            raise PipelineError(f"{self.name}: {error}") from error
