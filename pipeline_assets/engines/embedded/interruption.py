"""Statements that end when their process is told to stop, or when their time is over.

While DuckDB computes in the thread that Python calls signal handlers in, it either calls none (a
COPY, and rows that Arrow pulls) or drops what they raise. Statements of the first kind run in
another thread, while this one waits; of the second kind the interruption is raised again.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

import duckdb

T = TypeVar("T")

_INTERRUPTED: Final = "Query interrupted"
"""All that DuckDB says where a signal handler has raised something."""


def interruptibly(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Do something with a connection, and give it up if this thread is interrupted.

    Args:
        connection: Used by nobody else meanwhile.
        work: What to do.

    Returns:
        What the work returns. Its errors come out as they are.
    """
    with ThreadPoolExecutor(1, "duckdb-statement") as pool:
        working = pool.submit(work)
        try:
            return working.result()
        finally:
            if not working.done():
                connection.interrupt()


@contextmanager
def interruptions_kept() -> Iterator[None]:
    """Pass on that this process was told to stop while DuckDB computed.

    DuckDB raises a plain RuntimeError then, which whoever runs many statements would take for a
    fault of one of them, and go on.

    Raises:
        KeyboardInterrupt: In place of that error.
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) == _INTERRUPTED:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def interrupted_after(
    connection: duckdb.DuckDBPyConnection, seconds: float | None
) -> Iterator[None]:
    """Interrupt what a connection does, unless it ends within some seconds; None for never.

    DuckDB then raises its InterruptException, or Arrow an error that holds the text of it.
    """
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
