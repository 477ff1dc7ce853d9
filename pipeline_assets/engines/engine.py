"""The protocol of an engine.

An engine executes a job, which is data: input files, SQL in the engine's dialect, a destination and
audits. So the same asset runs on any engine, and only the settings say on which.
"""

from collections.abc import Callable, Collection
from typing import Final, Protocol

from pipeline_assets.dataset.values.dialect import Dialect
from pipeline_assets.dataset.values.progress import Log
from spark_resources.job import Job, Kind, Manifest

RECORDS: Final = "records"
"""The table that an ingest's SQL selects from."""


class Engine(Protocol):
    """Executes jobs: reads inputs, writes Parquet files, audits them, and returns a manifest."""

    @property
    def name(self) -> str:
        """The name in settings and metadata."""
        ...

    @property
    def dialect(self) -> Dialect:
        """The Ibis dialect of its SQL."""
        ...

    @property
    def kinds(self) -> Collection[Kind]:
        """The kinds of job it can execute."""
        ...

    def token(self, work: Callable[[], str], log: Log) -> str:
        """The idempotency token of the next attempt at some work.

        On a remote engine, equal work gets the token of an attempt that still runs, or whose result
        no run has used. A retry thus waits for the job of a killed run instead of starting another.

        Args:
            work: Returns a text that identifies the work; a local engine does not call it.
            log: Receives messages about progress.

        Raises:
            PipelineError: The engine cannot be reached.
        """
        ...

    def run(self, job: Job, log: Log) -> Manifest:
        """Execute one job to its end.

        Args:
            job: The job; its SQL is in this engine's dialect.
            log: Receives messages about progress, one line each.

        Returns:
            The manifest of exactly this attempt.

        Raises:
            PipelineError: The job failed; the message is one line.
        """
        ...
