"""How a runner tells that a job failed: everything a person would otherwise have to look up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TAIL_LINES: Final = 30


@dataclass
class JobFailedError(Exception):
    """A Spark job did not succeed.

    Attributes:
        reason: One line: what happened.
        log_tail: The driver's last lines, as far as they could be found.
        facts: Ids, states with times, links; for metadata.
    """

    reason: str
    log_tail: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        facts = [f"  {name}: {value}" for name, value in self.facts.items()]
        tail = ["  driver's last lines:", *(f"  | {line}" for line in self.log_tail)]
        return "\n".join([self.reason, *facts, *(tail if self.log_tail else [])])


def last_lines(text: str, count: int = TAIL_LINES) -> tuple[str, ...]:
    """The last lines of a log that say something."""
    return tuple(line.rstrip() for line in text.splitlines() if line.strip())[-count:]


def reason_of(error: BaseException) -> str:
    """An error in one line: Spark's own messages go on with whole query plans."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
