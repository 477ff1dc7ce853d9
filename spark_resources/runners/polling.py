"""How runners wait for AWS: growing pauses, and repetition while a fault may pass."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004

from spark_resources.errors import JobFailedError

T = TypeVar("T")
Log = Callable[[str], None]

THROTTLED: Final = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Error codes after which AWS asks callers to come back later."""


@dataclass(frozen=True)
class PollPolicy:
    """How often to ask for a job's status, and when to give up, in seconds.

    Attributes:
        first_seconds: The first pause between two requests; each one is ``growth`` times longer.
        longest_seconds: The longest pause.
        growth: The factor by which pauses grow.
        jitter: The share of a pause that is random, so that many runs do not ask at once.
        deadline_seconds: The runner cancels a job that takes longer.
        outage_seconds: How long to repeat requests while AWS is out of reach or overloaded.
        log_seconds: How long to wait for the log of a failed job, which arrives after its end.
        cancel_seconds: How long to try to cancel a job.
    """

    first_seconds: float = 2
    longest_seconds: float = 30
    growth: float = 1.5
    jitter: float = 0.2
    deadline_seconds: float = 6 * 3600
    outage_seconds: float = 600
    log_seconds: float = 120
    cancel_seconds: float = 60

    def pauses(self) -> Iterator[float]:
        """Yield the length of each pause, without end."""
        pause = self.first_seconds
        while True:
            yield pause * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311
            pause = min(pause * self.growth, self.longest_seconds)


@dataclass(frozen=True)
class Retries:
    """Repeats calls of AWS while it is out of reach or overloaded.

    Attributes:
        policy: Sets the pauses.
        seconds: How long a fault may last.
        log: Receives a line about the first one.
    """

    policy: PollPolicy
    seconds: float
    log: Log

    def __call__(self, action: Callable[[], T]) -> T:
        """Call an action, which must be safe to repeat, until it succeeds.

        Raises:
            JobFailedError: AWS stayed out of reach.
            ClientError: AWS refused for a reason that waiting does not remove.
        """
        give_up = time.monotonic() + self.seconds
        for number, pause in enumerate(self.policy.pauses()):
            try:
                return action()
            except (ClientError, ConnectionError, HTTPClientError) as error:
                if isinstance(error, ClientError) and not _passes(error):
                    raise
                fault = str(error)
                if time.monotonic() + pause > give_up:
                    message = f"AWS out of reach for {self.seconds:.0f} s: {error}"
                    raise JobFailedError(message) from error
            if number == 0:
                self.log(f"AWS does not answer, trying again: {fault}")
            time.sleep(pause)
        raise AssertionError("pauses have no end")


def _passes(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response.get("Error", {}).get("Code") in THROTTLED or status >= 500
