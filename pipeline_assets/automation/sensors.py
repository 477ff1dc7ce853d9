"""What runs by itself."""

from typing import Final

import dagster as dg

AUTOMATION: Final = dg.AutomationConditionSensorDefinition(
    name="automation",
    target=dg.AssetSelection.all(),
    description="Makes what has become stale as soon as its inputs have passed their audits.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
