"""Faults, as Dagster tells them."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

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
