"""Waits for the jobs of a remote service.

Whatever ends the waiting, a killed process apart, cancels the jobs: one that nobody waits for costs
money and may write files that nobody publishes.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from spark_resources.errors import JobFailedError
from spark_resources.runners.polling import Log, PollPolicy, Retries
from spark_resources.runners.service import RemoteJob, RemoteJobs, Status

Ended: TypeAlias = tuple[RemoteJob, Status]


@dataclass(frozen=True)
class Waiter:
    """Starts jobs, or finds those that another process started, and waits until they end.

    Attributes:
        service: Where the jobs run.
        poll: How often to ask, and when to give up.
    """

    service: RemoteJobs
    poll: PollPolicy

    def finish(
        self,
        starts: Mapping[str, Callable[[], RemoteJob]],
        retries: Retries,
        history: dict[str, str],
    ) -> list[Ended]:
        """Run jobs beside each other to their ends, in the order of their starts.

        Args:
            starts: What starts each job, by token.
            retries: Repeats calls of the service.
            history: Gets the time at which a job was first seen in each state.

        Raises:
            JobFailedError: A job took too long, or AWS stayed out of reach.
        """
        remotes: dict[str, RemoteJob] = {}
        try:
            for token, start in starts.items():
                remotes[token] = self._started(token, start, retries)
            return [(it, self._wait(it, retries, history)) for it in remotes.values()]
        except BaseException:
            # An interruption may come between a start and its answer: search before giving up.
            for token in starts:
                self.try_to(partial(self._cancel, remotes.get(token), token), retries.log)
            raise

    def cancel_twins(self, remote: RemoteJob | None, token: str) -> None:
        """Cancel what a start whose answer was lost has started besides a job, if any."""
        for job in self.service.active():
            if job.token == token and (remote is None or job.id != remote.id):
                self.service.cancel(job)

    def try_to(self, clean_up: Callable[[], None], log: Log) -> None:
        """Clean up; a failure is only logged, so that it hides no earlier error."""
        try:
            Retries(self.poll, self.poll.cancel_seconds, log)(clean_up)
        except Exception as error:
            log(f"{self.service.name}: could not clean up, look at its console: {error}")

    def _started(self, token: str, start: Callable[[], RemoteJob], retries: Retries) -> RemoteJob:
        # The first search finds a job to re-attach to. The second one, inside what is repeated,
        # finds a job that an earlier, unanswered request has started, unless the service lists
        # it later than that. Then there are two, each with an output folder of its own.
        return retries(lambda: self.service.find(token)) or retries(
            lambda: self.service.find(token) or start()
        )

    def _wait(self, remote: RemoteJob, retries: Retries, history: dict[str, str]) -> Status:
        deadline = time.monotonic() + self.poll.deadline_seconds
        for pause in self.poll.pauses():
            status = retries(lambda: self.service.status(remote))
            if status.state not in history:
                history[status.state] = datetime.now(UTC).isoformat(timespec="seconds")
                retries.log(f"{self.service.name} {remote.id}: {status.state}")
            if status.outcome != "going":
                return status
            if time.monotonic() + pause > deadline:
                raise JobFailedError(
                    f"{self.service.name} {remote.id} still {status.state} after "
                    f"{self.poll.deadline_seconds:.0f} s, cancelled",
                    facts={"state_history": dict(history)},
                )
            time.sleep(pause)
        raise AssertionError("pauses have no end")

    def _cancel(self, remote: RemoteJob | None, token: str) -> None:
        target = remote or self.service.find(token)
        if target is not None:
            self.service.cancel(target)
        self.cancel_twins(target, token)


@contextmanager
def aws_errors_as_failures(service: str) -> Iterator[None]:
    """Turn what AWS refuses into the failure of a job."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise JobFailedError(f"{service} refused: {error}") from error
