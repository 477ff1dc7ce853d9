"""What runs statements on Redshift, and what its errors mean.

Redshift is reached as a Postgres is, or through the Data API: requests to AWS that name a workgroup
or a cluster, need neither a password nor a network that leads to it, and whose answers are fetched
later. Both do the same two things.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Protocol

from pipeline_assets.errors import PipelineError

CONFLICT: Final = re.compile(
    r"\b1023\b|[Ss]erializable isolation|could not serialize|deadlock detected"
    r"|concurrent transaction|already exists|duplicate key value"
)
"""What Redshift says where two transactions have met: one of them may try again."""
_TIMED_OUT: Final = re.compile(r"statement timeout|[Cc]ancell?ed on user.?s request|timed out")


class ConflictError(PipelineError):
    """Another transaction came first; the same statements may be run again."""


class LostError(PipelineError):
    """Nobody knows whether the statements were run: the answer was lost."""


class Session(Protocol):
    """Runs statements."""

    def run(self, sql: str) -> list[dict[str, Any]]:
        """Run a statement, which commits by itself, and return its rows; for small results only.

        Raises:
            PipelineError: It failed.
        """
        ...

    def run_together(self, statements: Iterable[str]) -> None:
        """Run statements in one transaction: all of them, or none.

        Raises:
            PipelineError: One failed; ``ConflictError`` or ``LostError`` where it was that.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def refusal(where: str, says: str, reason: str, limit_minutes: int) -> PipelineError:
    """The error for a statement that the server refused.

    Args:
        where: Database and server.
        says: The server's words.
        reason: The error's text.
        limit_minutes: How long a statement may take.
    """
    if CONFLICT.search(says):
        return ConflictError(f"{where}: {reason}")
    if _TIMED_OUT.search(says):
        return PipelineError(
            f"{where}: a statement took longer than {limit_minutes} minutes and was cancelled; "
            "allow more with timeout_minutes=… in the connection string"
        )
    return PipelineError(f"{where}: {reason}")
