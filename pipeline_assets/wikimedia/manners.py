"""What a polite client keeps to: few requests at once, pauses that a server asks for, a budget."""

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, TypeAlias

from pipeline_assets.errors import PipelineError

CONCURRENT: Final = 3
"""Requests at the same time, of all processes of an account on this machine together."""
LONGEST_PAUSE: Final = 600.0
"""A server that asks for a longer pause, in seconds, is left alone until the next run."""
_LOOK_AGAIN: Final = 0.02

Wait: TypeAlias = Callable[[float], None]


class Manners:
    """Lets the threads of one client send, one after the other or three at a time."""

    def __init__(self, budget: int, wait: Wait = time.sleep) -> None:
        self._left = self._budget = budget
        self._wait = wait
        self._lock = threading.Lock()
        self._resume = 0.0
        self._folder = Path(tempfile.gettempdir(), f"pipeline-assets-wikimedia-{os.getuid()}")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a request may be sent; the turn lasts until its answer is there.

        Raises:
            PipelineError: The budget is spent.
        """
        while True:
            self._sit_out()
            with self._slot():
                # Another thread may have been told to pause while this one waited for the slot.
                if self._resume <= time.monotonic():
                    self._spend()
                    yield
                    return

    def pause(self, seconds: float) -> None:
        """Let nobody send for a while.

        Raises:
            PipelineError: That would take too long.
        """
        if seconds > LONGEST_PAUSE:
            raise PipelineError(
                f"Wikimedia asks to come back in {seconds:,.0f} s: update again then; what it has "
                "answered is kept"
            )
        with self._lock:
            self._resume = max(self._resume, time.monotonic() + seconds)

    def _spend(self) -> None:
        with self._lock:
            if not self._left:
                raise PipelineError(
                    f"A run may send {self._budget:,} requests to Wikimedia "
                    "(PIPELINE_WIKIMEDIA_REQUESTS_PER_RUN), and they are spent. What was answered "
                    "is kept: update again to go on. For thousands of articles, land dump files"
                )
            self._left -= 1

    def _sit_out(self) -> None:
        while (seconds := self._resume - time.monotonic()) > 0:
            self._wait(seconds)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """One of three files, each locked by one request of any process."""
        self._folder.mkdir(exist_ok=True)
        files = [(self._folder / str(slot)).open("w") for slot in range(CONCURRENT)]
        try:
            while not any(_locked(file.fileno()) for file in files):
                self._wait(_LOOK_AGAIN)
            yield
        finally:
            for file in files:
                file.close()


def _locked(descriptor: int) -> bool:
    """Whether the lock of a file could be taken; closing the file gives it back."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def seconds_of(retry_after: str | None, otherwise: float) -> float:
    """The pause that a ``Retry-After`` asks for: seconds, or a date; a default without one."""
    if not retry_after:
        return otherwise
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return otherwise
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
