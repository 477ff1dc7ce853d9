"""Faults, as Dagster tells them."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from pipeline_assets.errors import PipelineError


@contextmanager
def told_by_dagster() -> Iterator[None]:
    """Fail the step with a PipelineError's one line, at once: trying again would not mend it.

    Raises:
        dg.Failure: In place of a PipelineError.
    """
    try:
        yield
    except PipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def root_message(error: SerializableErrorInfo | None) -> str:
    """The first line of what really happened, below Dagster's own wrapping."""
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "failed without telling why"
    return error.message.strip().splitlines()[0].partition(": ")[2] or error.message.strip()
