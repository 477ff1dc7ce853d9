"""Faults, as Dagster tells them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import dagster as dg

from pipeline_assets.dagster_internals import (
    DagsterError,
    DagsterExecutionInterruptedError,
    SerializableErrorInfo,
)
from pipeline_assets.errors import PipelineError
from pipeline_assets.publish.job_metadata import Metadata, job_metadata
from spark_resources.errors import JobFailedError

REMAINING: Final = "still_to_be_made"
_INTERRUPTIONS: Final = frozenset(
    {"RunInterruptedError", "DagsterExecutionInterruptedError", "KeyboardInterrupt"}
)


class RunInterruptedError(DagsterError, DagsterExecutionInterruptedError):
    """The run was told to stop.

    Retry policies take an interruption for a failure and would start what was just cancelled once
    more; only errors of Dagster's own do they leave alone.
    """


@contextmanager
def dagster_failures(keys: Sequence[str] = ()) -> Iterator[None]:
    """Fail the step with a PipelineError's one line, at once: trying again would not mend it.

    Args:
        keys: Of the partitions that will not be published; told where there are several.

    Raises:
        dg.Failure: In place of a PipelineError.
        RunInterruptedError: The run was told to stop.
    """
    try:
        yield
    except (KeyboardInterrupt, DagsterExecutionInterruptedError) as stop:
        raise RunInterruptedError("the run was told to stop") from stop
    except PipelineError as error:
        text, metadata = str(error), _job(error.__cause__)
        if len(keys) > 1:
            text += f"\nNone of {len(keys)} partitions is published: {keys[0]} to {keys[-1]}"
            metadata |= {REMAINING: dg.MetadataValue.json(list(keys))}
        raise dg.Failure(text, metadata=metadata, allow_retries=False) from error


def _job(cause: BaseException | None) -> Metadata:
    return job_metadata(cause.facts) if isinstance(cause, JobFailedError) else {}


def root_message(error: SerializableErrorInfo | None) -> str:
    """The first line of what really happened, below Dagster's own wrapping.

    A PipelineError is written for people. What it was raised from, such as a library's error, is
    not: the search ends there.
    """
    while error is not None and error.cause and error.cls_name != PipelineError.__name__:
        error = error.cause
    if error is None:
        return "failed without telling why"
    return error.message.strip().splitlines()[0].partition(": ")[2] or error.message.strip()


def is_interruption(error: SerializableErrorInfo | None) -> bool:
    """Whether a step failed because its process was told to stop."""
    while error is not None:
        if error.cls_name in _INTERRUPTIONS:
            return True
        error = error.cause
    return False
