"""Requests to AWS that are repeated while it is overloaded, and refused in one line."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_assets.errors import PipelineError
from spark_resources.errors import JobFailedError
from spark_resources.runners.polling import Log, PollPolicy, Retries

Result = TypeVar("Result")


def requested(
    service: str, request: Callable[[], Result], patience: PollPolicy, log: Log
) -> Result:
    """Make a request, which must be safe to repeat.

    Args:
        service: What is asked, for the error.
        request: Makes it.
        patience: How long to go on while AWS is out of reach or overloaded.
        log: Receives a line about the first fault.

    Raises:
        PipelineError: AWS refuses, or stayed out of reach.
    """
    try:
        return Retries(patience, patience.outage_seconds, log)(request)
    except (ClientError, BotoCoreError, JobFailedError) as fault:
        reason = fault.reason if isinstance(fault, JobFailedError) else str(fault)
    raise PipelineError(f"{service}: {' '.join(reason.split())}")
