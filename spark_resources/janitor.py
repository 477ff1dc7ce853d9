"""Cancels remote jobs that outlived the Dagster run they belong to."""

from collections.abc import Callable

from spark_resources.polling import Log
from spark_resources.runner import RemoteJob, Service


def cancel_orphans(
    service: Service, run_is_over: Callable[[str], bool], log: Log
) -> tuple[RemoteJob, ...]:
    """Cancel our deployment's jobs whose run has ended.

    Args:
        service: Where to look.
        run_is_over: Whether a run, by its id, has ended or is unknown.
        log: Told about each job cancelled.

    Returns:
        What was cancelled.

    Raises:
        ClientError: The service refused; an outage must not look like "nothing to do".
    """
    orphans = [job for job in service.active() if _is_over(job, run_is_over)]
    for job in orphans:
        service.cancel(job)
        log(f"{service.name} {job.id} cancelled: its run {job.tags['run']} is over")
    return tuple(orphans)


def _is_over(job: RemoteJob, run_is_over: Callable[[str], bool]) -> bool:
    run = job.tags.get("run")
    return run is not None and run_is_over(run)
