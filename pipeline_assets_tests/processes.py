"""Processes of their own for tests that kill them, starve them or let them race.

They are forked from a server that has only imported things: each has connections, threads and locks
of its own, without the seconds that imports take.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Event
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# What a first publish imports: a thousand modules, which took each process two seconds of CPU.
_FOR_A_PUBLISH = (
    "pandas",
    "alembic.command",
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "ibis.backends.duckdb",
    "matplotlib.backends.backend_agg",
    "pyarrow.parquet",
    "pyiceberg.io.pyarrow",
    "rich.traceback",
)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["pipeline_assets_tests.diary.bench", "pipeline_assets_tests.chaos.updates", *_FOR_A_PUBLISH]
)
_PATIENCE_SECONDS = 120


def in_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, CONTEXT) as pool:
        return pool.submit(function, *args, **kwargs).result(_PATIENCE_SECONDS)


def killed_at_its_moment(function: Callable[..., object], *args: object) -> None:
    """Start a function with an event as its last argument, and kill it once the event is set."""
    moment = CONTEXT.Event()
    process = CONTEXT.Process(target=function, args=(*args, moment))
    process.start()
    try:
        assert moment.wait(_PATIENCE_SECONDS), "the moment never came"
    finally:
        process.kill()
        process.join()
    assert process.exitcode == -signal.SIGKILL


def wait_to_be_killed(moment: Event) -> None:
    """Say that the moment has come, and do nothing more."""
    moment.set()
    time.sleep(_PATIENCE_SECONDS)
