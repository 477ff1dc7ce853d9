"""Whether the process that executed a run still exists."""

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_SLACK_SECONDS: Final = 5.0
"""Clocks of the kernel and of the system may differ by so much."""


def is_alive(pid: int, since: float) -> bool:
    """Whether a process that existed at a moment exists still.

    The system gives the ids of ended processes to new ones, in a container very soon: a process
    that started later is another one. Where the system does not say when a process started, the id
    alone counts.

    Args:
        pid: Its id.
        since: When it existed, in seconds since 1970.
    """
    try:
        os.kill(pid, 0)  # signal 0 only asks whether the process exists
    except ProcessLookupError:
        return False
    except OverflowError:
        return False
    except PermissionError:
        pass  # It exists, and belongs to another user.
    started = _start_time(pid)
    return started is None or started <= since + _SLACK_SECONDS


def _start_time(pid: int) -> float | None:
    """When a process started, in seconds since 1970; None where there is no ``/proc``."""
    try:
        status = (_PROC / str(pid) / "stat").read_text()
        boot = (_PROC / "stat").read_text().partition("\nbtime ")[2].split(maxsplit=1)[0]
    except OSError:
        return None
    # The second field is the program's name in parentheses, which may hold anything.
    ticks = int(status.rpartition(")")[2].split()[19])
    return int(boot) + ticks / os.sysconf("SC_CLK_TCK")
