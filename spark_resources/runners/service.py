"""What a runner needs of a remote service.

EMR and EMR Serverless answer the same few questions, so one runner serves both. Athena answers
those that waiting asks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from spark_resources.runners.staging import Package, Staging

Outcome: TypeAlias = Literal["going", "succeeded", "failed"]


@dataclass(frozen=True)
class Submission:
    """A request to start a job.

    Attributes:
        token: The idempotency key: a service starts no second job for the same one.
        name: What the service's console shows; it ends in the token.
        package: The project's code on S3.
        arguments: Arguments of the entry point.
        tags: Deployment, asset, partitions and run.
    """

    token: str
    name: str
    package: Package
    arguments: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RemoteJob:
    """A job at a service.

    Attributes:
        parent: The id of its cluster or application.
        id: The id of the step or job run.
        tags: The tags it was started with; empty if the service was not asked for them.
        token: The token it was started with; empty likewise.
    """

    parent: str
    id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


@dataclass(frozen=True)
class Status:
    """What a service says about a job.

    Attributes:
        state: The service's name for it.
        outcome: What that means for a runner.
        reason: Why the job ended, if the service says so.
    """

    state: str
    outcome: Outcome
    reason: str = ""


class RemoteJobs(Protocol):
    """Jobs that one can wait for and cancel. All methods may raise botocore's errors."""

    @property
    def name(self) -> str:
        """The service's name in errors and metadata."""
        ...

    def find(self, token: str) -> RemoteJob | None:
        """Find the job that was started with a token, if there is one."""
        ...

    def status(self, job: RemoteJob) -> Status:
        """Ask for a job's state."""
        ...

    def cancel(self, job: RemoteJob) -> None:
        """Stop a job, and a cluster that was started for it alone."""
        ...

    def active(self) -> Iterator[RemoteJob]:
        """List this deployment's jobs that have not ended."""
        ...


class Service(RemoteJobs, Protocol):
    """EMR or EMR Serverless. All methods may raise botocore's errors."""

    def start(self, submission: Submission) -> RemoteJob:
        """Start a job."""
        ...

    def release(self, job: RemoteJob) -> None:
        """Stop a cluster that was started for this job alone, after the job's end."""
        ...

    def log_folder(self, job: RemoteJob) -> str | None:
        """The folder in which the driver's logs arrive, if the service keeps them."""
        ...

    def facts(self, job: RemoteJob) -> Mapping[str, Any]:
        """Return a job's ids, links, duration, usage and estimated cost."""
        ...


class Swept(Protocol):
    """A runner whose jobs outlive its process, so that a janitor has to look after them."""

    @property
    def service(self) -> RemoteJobs:
        """Where its jobs run."""
        ...

    @property
    def staging(self) -> Staging:
        """Where it says which run each job belongs to."""
        ...
