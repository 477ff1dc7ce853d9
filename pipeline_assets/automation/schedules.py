"""What runs by the clock."""

from typing import Final

import dagster as dg

HOURLY_CHECK: Final = "55 * * * *"
DAILY_CHECK: Final = "30 8 * * *"
"""After all that is due by the hour, or by the day, had its time to come."""


def completeness_schedule(
    checks: dg.AssetChecksDefinition, *, is_hourly: bool
) -> dg.ScheduleDefinition:
    """Looks for missing windows once the last one is due in every layer."""
    return dg.ScheduleDefinition(
        name="completeness",
        target=dg.AssetSelection.checks(checks),
        cron_schedule=HOURLY_CHECK if is_hourly else DAILY_CHECK,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Looks for windows of time that are due and not there.",
    )
