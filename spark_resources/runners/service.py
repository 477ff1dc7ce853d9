"""What a runner asks of a remote service, and what goes to it and comes back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from spark_resources.runners.staging import Package

Outcome: TypeAlias = Literal["going", "succeeded", "failed"]


@dataclass(frozen=True)
class Submission:
    """What a service is asked to start.

    Attributes:
        token: The attempt; the same one is never started twice.
        name: For people who look at the service's console; ends in the token.
        package: Our code.
        arguments: The entry point's.
        tags: Who runs this.
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
        parent: The cluster or application it runs on.
        id: The step or job run.
        tags: Who runs it, as far as the service was asked.
        token: The attempt, as far as the service was asked.
    """

    parent: str
    id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


@dataclass(frozen=True)
class Status:
    """What a service says about a job.

    Attributes:
        state: The service's own word.
        outcome: What that means.
        reason: Why it ended, where the service says so.
    """

    state: str
    outcome: Outcome
    reason: str = ""


class Service(Protocol):
    """EMR or EMR Serverless, as far as runners need them. Calls may raise botocore's errors."""

    @property
    def name(self) -> str:
        """How errors and metadata call it."""
        ...

    def find(self, token: str) -> RemoteJob | None:
        """The job that was started with a token, if there is one."""
        ...

    def start(self, submission: Submission) -> RemoteJob:
        """Start a job."""
        ...

    def status(self, job: RemoteJob) -> Status:
        """Look at it."""
        ...

    def cancel(self, job: RemoteJob) -> None:
        """Stop it, and what was started for it alone."""
        ...

    def release(self, job: RemoteJob) -> None:
        """Give back what was started for it alone, after its end."""
        ...

    def log_uris(self, job: RemoteJob) -> tuple[str, ...]:
        """Where the driver's logs arrive, the most telling first."""
        ...

    def facts(self, job: RemoteJob) -> Mapping[str, Any]:
        """Ids, links, durations, usage and estimated cost."""
        ...

    def active(self) -> Iterator[RemoteJob]:
        """Our deployment's jobs that have not ended."""
        ...
