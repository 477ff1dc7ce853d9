"""Cancels remote jobs that outlived the Dagster run they belong to."""

from collections.abc import Callable

from spark_resources.runners.polling import Log
from spark_resources.runners.service import RemoteJob, Service
from spark_resources.runners.staging import Staging


def cancel_orphans(
    service: Service, staging: Staging, run_is_over: Callable[[str], bool], log: Log
) -> tuple[RemoteJob, ...]:
    """Cancel our deployment's jobs whose run has ended.

    A job that another run has taken over belongs to that run: the staged job names it, while the
    tags name the run that started it.

    Args:
        service: Where to look.
        staging: Shared with it.
        run_is_over: Whether a run, by its id, has ended or is unknown.
        log: Told about each job cancelled.

    Returns:
        What was cancelled.

    Raises:
        ClientError: The service refused; an outage must not look like "nothing to do".
    """
    owned = [(job, staging.owner(job.token) or job.tags.get("run")) for job in service.active()]
    orphans = [(job, run) for job, run in owned if run is not None and run_is_over(run)]
    for job, run in orphans:
        service.cancel(job)
        log(f"{service.name} {job.id} cancelled: its run {run} is over")
    return tuple(job for job, _ in orphans)
