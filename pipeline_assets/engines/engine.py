"""What the lake asks of an engine."""

from collections.abc import Callable, Collection
from typing import Protocol

from pipeline_assets.dataset.sql import Dialect
from pipeline_assets.dataset.values.progress import Log
from spark_resources.job import Job, Kind, Manifest


class Engine(Protocol):
    """Executes jobs: reads their inputs, writes Parquet, audits it, and reports."""

    @property
    def name(self) -> str:
        """How settings and metadata call this engine."""
        ...

    @property
    def dialect(self) -> Dialect:
        """The Ibis dialect its SQL must be compiled to."""
        ...

    @property
    def kinds(self) -> Collection[Kind]:
        """The kinds of job it can execute."""
        ...

    def token(self, work: Callable[[], str], log: Log) -> str:
        """The token of the next attempt at some work.

        Args:
            work: Asked, where attempts outlive processes, for what identifies the work; equal work
                gets the token of the attempt that is under way or has a result nobody took.
            log: Told about progress.

        Raises:
            PipelineError: The engine cannot be reached.
        """
        ...

    def run(self, job: Job, log: Log) -> Manifest:
        """Execute one job to its end.

        Args:
            job: What to do; its SQL is in this engine's dialect.
            log: Told about progress, a line at a time.

        Returns:
            The manifest of exactly this attempt.

        Raises:
            PipelineError: The job failed for a reason that has to be told in one line.
        """
        ...
