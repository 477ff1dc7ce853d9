"""Statements that end when their process is told to stop.

While DuckDB computes in the thread that Python calls signal handlers in, none is called. So the
statement runs in another thread, and this one waits.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import duckdb

T = TypeVar("T")


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
