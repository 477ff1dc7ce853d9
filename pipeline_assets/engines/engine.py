"""What the lake asks of an engine."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from spark_resources.job import Job, Manifest

Dialect: TypeAlias = Literal["duckdb", "pyspark"]
Log: TypeAlias = Callable[[str], None]


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
