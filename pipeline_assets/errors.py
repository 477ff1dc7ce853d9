"""The error whose message is written for the user.

Whatever a user can repair (a file, a setting, a service) is reported in one line, without a stack
trace. Other exceptions are faults of the code.
"""

import errno
from typing import Final


class PipelineError(Exception):
    """A mistake or fault outside the code; the message is one line and says what to do.

    Bad input, wrong settings and unreachable services raise it. The command line prints it without
    a stack trace. Inside a run it becomes a Dagster failure, which the step does not retry.
    """


class DeclarationError(PipelineError, ValueError):
    """A dataset is declared in a way that cannot be; the definitions do not load.

    The message names the asset and says what to write instead.
    """


class UnknownNameError(PipelineError):
    """There is no table, partition or snapshot of that name."""


MACHINE_REFUSALS: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
)
"""The system's answers if an account may not write somewhere, or if the disk is full."""


def refusal_line(error: OSError) -> str | None:
    """One line about a file that the machine refuses, or None if the error is of another kind."""
    if error.errno not in MACHINE_REFUSALS:
        return None
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror}{where}; see docs/machines.md"
