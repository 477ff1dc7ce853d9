"""Whether the process that executes a run still exists.

A run that `update` executes says where: on which machine, among which process ids, in which
process. Whoever shares these ids asks the system for the process. Everybody else, such as another
container, goes by the signs of life that the process leaves in Dagster's records.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg

PROCESS_TAG: Final = "pipeline/process"
ALIVE_TAG: Final = "pipeline/alive"
SIGN_SECONDS: Final = 60.0
LOST_SECONDS: Final = 600.0
"""Without a sign of life for so long, a process in another container counts as killed."""

_PROC: Final = Path("/proc")
_SLACK_SECONDS: Final = 5.0
"""Clocks of the kernel and of the system may differ by so much."""


def this_process() -> str:
    """Names this process, for the tag of its runs."""
    return f"{_place()}/{os.getpid()}"


@contextmanager
def signs_of_life(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Note every minute, in a run's record, that its process exists.

    Args:
        instance: Holds the record.
        run_id: Of a run that this process is about to execute.
    """
    is_over = threading.Event()

    def sign() -> None:
        while not is_over.wait(SIGN_SECONDS):
            # One sign may be missing: of a database that does not answer, the run itself tells.
            with suppress(Exception):
                instance.add_run_tags(run_id, {ALIVE_TAG: f"{datetime.now(UTC):%H:%M:%S}"})

    thread = threading.Thread(target=sign, name="signs-of-life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def is_lost(record: dg.RunRecord) -> bool:
    """Whether the process that executed an unfinished run is gone.

    False for runs that Dagster has launched, which their launcher looks after.
    """
    place, _, pid = record.dagster_run.tags.get(PROCESS_TAG, "").rpartition("/")
    if not pid.isdecimal():
        return False
    if place == _place():
        started = record.start_time or record.create_timestamp.timestamp()
        return not is_alive(int(pid), started)
    # A sign of life changes the record, and so does every event that changes the run's status.
    return time.time() - record.update_timestamp.timestamp() > LOST_SECONDS


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


def _place() -> str:
    """Where a process id means the same process: on a machine, or in one container of it."""
    try:
        ids = os.readlink(_PROC / "self" / "ns" / "pid")
    except OSError:
        ids = ""  # The system has no containers of this kind.
    return f"{socket.gethostname()}/{ids.removeprefix('pid:').strip('[]')}"


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
