"""Cancels remote jobs whose Dagster run has ended.

A runner cancels its own job, unless its process or machine is killed. Then the job would go on, and
cost money, until its deadline.
"""

from collections.abc import Callable

from spark_resources.runners.polling import Log
from spark_resources.runners.service import RemoteJob, RemoteJobs
from spark_resources.runners.staging import Staging


def cancel_orphans(
    service: RemoteJobs, staging: Staging, run_is_over: Callable[[str], bool], log: Log
) -> tuple[RemoteJob, ...]:
    """Cancel this deployment's jobs whose run has ended.

    Args:
        service: The service that runs the jobs.
        staging: The prefix that it shares with the runners.
        run_is_over: Whether the run with an id has ended.
        log: Receives a line for each cancelled job.

    Returns:
        The cancelled jobs.

    Raises:
        ClientError: The service refused or failed.
    """
    # The tags name the run that started a job. If another run has taken the job over, it has staged
    # it again under its own name, and the job is that run's now.
    owned = [(job, staging.owner(job.token) or job.tags.get("run")) for job in service.active()]
    orphans = [(job, run) for job, run in owned if run is not None and run_is_over(run)]
    for job, run in orphans:
        service.cancel(job)
        log(f"{service.name} {job.id} cancelled: its run {run} is over")
    return tuple(job for job, _ in orphans)
