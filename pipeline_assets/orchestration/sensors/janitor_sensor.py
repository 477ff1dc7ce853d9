"""The sensor that cancels remote jobs which outlived their run.

A runner cancels its job when its process is interrupted or fails, but a process that is killed
cannot. The job would then go on and cost money until somebody notices.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

if TYPE_CHECKING:
    from spark_resources.runners.polling import Log
    from spark_resources.runners.service import Swept

GRACE: Final = timedelta(minutes=3)
"""How long a retry of a killed run has to find the job and wait for it instead."""


def janitor_sensor(runners: "Sequence[Swept]") -> dg.SensorDefinition:
    """The sensor that cancels remote jobs of this deployment whose run is over.

    Args:
        runners: The services that run jobs; without any the sensor is stopped.
    """
    status = dg.DefaultSensorStatus.RUNNING if runners else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="janitor",
        minimum_interval_seconds=60,
        default_status=status,
        description="Cancels jobs on EMR, and queries of Athena, that outlived their run.",
    )
    def janitor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cancelled = sweep(runners, context.instance, datetime.now(UTC), context.log.info)
        return dg.SensorResult(skip_reason=None if cancelled else "cancelled nothing")

    return janitor


def sweep(
    runners: "Sequence[Swept]",
    instance: dg.DagsterInstance,
    now: datetime,
    log: "Log",
) -> list[str]:
    """Cancel remote jobs whose run is over, and return their ids.

    A run that this instance does not know may belong to another instance, so its jobs go on.

    Raises:
        ClientError: A service refused. An outage must not look like "nothing to cancel".
    """

    def is_over(run_id: str) -> bool:
        record = instance.get_run_record_by_id(run_id)
        if record is None or not record.dagster_run.is_finished:
            return False
        ended = record.end_time or record.update_timestamp.timestamp()
        return now - datetime.fromtimestamp(ended, UTC) > GRACE

    from spark_resources.runners.janitor import cancel_orphans

    found = (cancel_orphans(runner.service, runner.staging, is_over, log) for runner in runners)
    return [job.id for jobs in found for job in jobs]
