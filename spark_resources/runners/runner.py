"""Runs jobs on a remote service.

The runner stages the job on S3, starts it or re-attaches to an attempt that still runs, polls until
it ends, and reads its manifest. Whatever goes wrong, a killed process apart, it cancels the remote
job: a job that nobody waits for costs money and may write files that nobody publishes.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from spark_resources.errors import JobFailedError
from spark_resources.job import Job, JobFormatError, Manifest
from spark_resources.runners.polling import Log, PollPolicy, Retries
from spark_resources.runners.service import RemoteJob, Service, Status, Submission
from spark_resources.runners.staging import Package, Staging
from spark_resources.runners.tokens import open_attempt, submission_name
from spark_resources.runners.waiting import Waiter, aws_errors_as_failures
from spark_resources.runners.wheel import build_wheel


class Runner(Protocol):
    """Executes one job to its end."""

    def token(self, work: Callable[[], str], log: Log) -> str:
        """Choose the token of the next attempt.

        Args:
            work: Returns what identifies the work; not called by a runner that needs no identity.
            log: Receives a line about faults.

        Raises:
            JobFailedError: The service does not answer.
        """
        ...

    def run(self, job: Job, log: Log) -> Manifest:
        """Execute a job.

        Raises:
            JobFailedError: The job did not succeed.
        """
        ...


@dataclass(frozen=True)
class RemoteRunner:
    """Runs jobs on a service.

    Attributes:
        service: The service.
        staging: The prefix on S3 that it shares with the runner.
        deployment: The name of this deployment in tags; the janitor cancels no other one's jobs.
        poll: How often to ask, and when to give up.
    """

    service: Service
    staging: Staging
    deployment: str
    poll: PollPolicy = field(default_factory=PollPolicy)

    def token(self, work: Callable[[], str], log: Log) -> str:
        """See :class:`Runner`; failed attempts at the same work are skipped.

        So a process that takes over from a killed one re-attaches to the job that still runs, while
        a retry after a failure starts another job.
        """
        retries = Retries(self.poll, self.poll.outage_seconds, log)
        with aws_errors_as_failures(self.service.name):
            return open_attempt(work(), lambda token: retries(partial(self._is_open, token)))

    def _is_open(self, token: str) -> bool:
        """Whether an attempt is not started yet, still runs, or has left a manifest."""
        remote = self.service.find(token)
        outcome = self.service.status(remote).outcome if remote else "going"
        if outcome != "succeeded":
            return outcome == "going"
        return self.staging.exists(self.staging.manifest_uri(token))

    def run(self, job: Job, log: Log) -> Manifest:
        """Execute a job, or re-attach to the attempt that another process started.

        Any exception, an interruption included, first cancels the remote job.

        Raises:
            JobFailedError: The job failed, took too long, or left no manifest of its own.
        """
        retries = Retries(self.poll, self.poll.outage_seconds, log)
        history: dict[str, str] = {}
        with aws_errors_as_failures(self.service.name):
            package = retries(lambda: self.staging.put_package(build_wheel()))
            retries(lambda: self.staging.put_job(job))
            submission = self._submission(job, package)
            starts: list[Submission] = []

            def start() -> RemoteJob:
                starts.append(submission)
                return self.service.start(submission)

            waiter = Waiter(self.service, self.poll)
            ((remote, status),) = waiter.finish({job.token: start}, retries, history)
            try:
                return self._manifest(job, remote, status, retries, history)
            finally:
                waiter.try_to(lambda: self.service.release(remote), log)
                if len(starts) > 1:
                    waiter.try_to(lambda: waiter.cancel_twins(remote, job.token), log)

    def _submission(self, job: Job, package: Package) -> Submission:
        tags = {"deployment": self.deployment, **job.labels}
        uris = self.staging.job_uri(job.token), self.staging.manifest_uri(job.token)
        arguments = ("--job", uris[0], "--manifest", uris[1])
        name = submission_name(self.deployment, job)
        return Submission(job.token, name, package, arguments, tags)

    def _manifest(
        self,
        job: Job,
        remote: RemoteJob,
        status: Status,
        retries: Retries,
        history: Mapping[str, str],
    ) -> Manifest:
        facts = {
            "engine": self.service.name,
            "log_uri": retries(lambda: self.service.log_folder(remote)),
            **retries(lambda: self.service.facts(remote)),
            "state_history": dict(history),
        }
        if status.outcome == "failed":
            reason = (
                f"{self.service.name} {remote.id} {status.state}: {status.reason or 'no reason'}"
            )
            raise JobFailedError(reason, self._log_tail(remote, retries), facts)
        content = retries(lambda: self.staging.read(self.staging.manifest_uri(job.token)))
        problem, manifest = _own_manifest(content, job.token)
        if manifest is None:
            reason = f"{self.service.name} {remote.id} {status.state} but {problem}"
            raise JobFailedError(reason, self._log_tail(remote, retries), facts)
        return replace(manifest, facts={**manifest.facts, **facts})

    def _log_tail(self, remote: RemoteJob, retries: Retries) -> tuple[str, ...]:
        # Logs arrive some time after the end of a job, or never.
        folder = retries(lambda: self.service.log_folder(remote))
        if folder is None:
            return (f"({self.service.name} keeps no driver log)",)
        # Spark logs to stderr, and so do uncaught errors: stdout only counts if stderr is empty.
        uris = (f"{folder}/stderr.gz", f"{folder}/stdout.gz")
        give_up = time.monotonic() + self.poll.log_seconds
        for pause in self.poll.pauses():
            tails = [retries(partial(self.staging.log_tail, uri)) for uri in uris]
            if any(tails) or None not in tails:
                return next((tail for tail in tails if tail), ("(the driver logged nothing)",))
            if time.monotonic() + pause > give_up:
                return (f"(no driver log at {uris[0]} yet)",)
            time.sleep(pause)
        raise AssertionError("pauses have no end")


def _own_manifest(content: bytes | None, token: str) -> tuple[str, Manifest | None]:
    if content is None:
        return "wrote no manifest", None
    try:
        manifest = Manifest.from_json(content.decode())
    except (JobFormatError, ValueError, KeyError, TypeError) as error:
        return f"its manifest cannot be read: {error!r}", None
    if manifest.token != token:
        return "the manifest is another attempt's", None
    return "", manifest
