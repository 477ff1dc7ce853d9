"""Errors whose message is written for the person at the keyboard."""

import errno
from typing import Final


class PipelineError(Exception):
    """A mistake or fault outside the code, told in one line with its fix.

    Raised for bad input, wrong settings and unreachable services. The command line prints it
    without a stack trace; inside a run it becomes a Dagster failure that is not retried.
    """


MACHINE_REFUSALS: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
)
"""What the system answers if an account may not write somewhere, or nothing fits there."""


def told_as_refusal(error: OSError) -> str | None:
    """One line about a file that the machine refuses; None if the error is of another kind."""
    if error.errno not in MACHINE_REFUSALS:
        return None
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror}{where}; see docs/machines.md"
