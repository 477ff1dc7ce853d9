"""What runs by itself."""

from collections.abc import Sequence

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.landing_source import LandingSource
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.landing_sensor import landing_sensors
from pipeline_assets.orchestration.sensors.retry_sensor import retry_sensor


def sensors_for(
    sources: Sequence[LandingSource], assets: Sequence[LakeAsset], deployment: Deployment
) -> list[dg.SensorDefinition]:
    """What follows the landing zone, what follows that, and what tries again what failed."""
    automation = dg.AutomationConditionSensorDefinition(
        name="automation",
        target=dg.AssetSelection.all(),
        description="Makes what has become stale as soon as its inputs have passed their audits.",
        minimum_interval_seconds=deployment.settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    return [
        automation,
        *landing_sensors(sources, assets, deployment),
        retry_sensor(assets, deployment.settings.retry_waits, deployment.settings.sensor_seconds),
    ]
