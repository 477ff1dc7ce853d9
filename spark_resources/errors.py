"""The error of a failed job.

It carries what a person would otherwise have to look up in the console of a service: the states
that the job went through, links, and the last lines of the driver's log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TAIL_LINES: Final = 30


@dataclass
class JobFailedError(Exception):
    """A Spark job did not succeed.

    Attributes:
        reason: What happened, in one line.
        log_tail: The last lines of the driver's log; empty if the log could not be found.
        facts: Ids, states with their times, and links, for Dagster's metadata.
    """

    reason: str
    log_tail: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        facts = [f"  {name}: {value}" for name, value in self.facts.items()]
        tail = ["  driver's last lines:", *(f"  | {line}" for line in self.log_tail)]
        return "\n".join([self.reason, *facts, *(tail if self.log_tail else [])])


def last_lines(text: str, count: int = TAIL_LINES) -> tuple[str, ...]:
    """The last lines of a log that are not blank."""
    return tuple(line.rstrip() for line in text.splitlines() if line.strip())[-count:]


def reason_of(error: BaseException) -> str:
    """The kind of an error and the first line of its message."""
    # The further lines of Spark's messages are whole query plans.
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
