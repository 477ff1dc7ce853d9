"""Asks a session several questions at the same time.

Most of a small query is spent in the driver, which plans it and waits for its tasks, so one after
the other they would leave the cores of a cluster idle.
https://spark.apache.org/docs/latest/job-scheduling.html#scheduling-within-an-application
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from pyspark import inheritable_thread_target

AT_ONCE: Final = 8
"""Queries that the driver plans at once; each has a thread of its own in the driver."""

T = TypeVar("T")


class Ask(Protocol):
    """Starts a call and returns at once."""

    def __call__(self, call: Callable[[], T], /) -> "Future[T]":
        """Start a call; the future has its result or its error."""


@contextmanager
def side_by_side() -> Iterator[Ask]:
    """What starts calls that use Spark; all of them have ended at the end of the block.

    A thread inherits the properties of the one that starts it, such as the group of its jobs. An
    error of a call is raised by its result and by nothing else.
    """
    with ThreadPoolExecutor(AT_ONCE, "spark query") as pool:
        yield lambda call: pool.submit(inheritable_thread_target(call))
