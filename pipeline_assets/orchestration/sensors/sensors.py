"""All sensors of the code location: automation conditions, landing, divisions, retries."""

from collections.abc import Sequence

import dagster as dg

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.division_sensor import division_sensor
from pipeline_assets.orchestration.sensors.downstream import DownstreamAssets
from pipeline_assets.orchestration.sensors.event_sensor import EventWatch, event_sensor
from pipeline_assets.orchestration.sensors.landing_sensor import Watch, listing_sensor
from pipeline_assets.orchestration.sensors.retry_sensor import retry_sensor
from pipeline_assets.orchestration.sensors.s3_events import EventQueue
from pipeline_assets.orchestration.sensors.stream_sensor import stream_sensor
from pipeline_assets.orchestration.stream_batches import batches_of_stream
from pipeline_assets.storage.s3_access import S3Access


def sensors_for(
    sources: Sequence[LandingSource], assets: Sequence[LakeAsset], deployment: Deployment
) -> list[dg.SensorDefinition]:
    """The sensors that start runs, in the order in which data passes them."""
    # Dagster's own automation sensor starts stopped; a new deployment has to run without a click.
    automation = dg.AutomationConditionSensorDefinition(
        name="automation",
        target=dg.AssetSelection.all(),
        description="Materialises stale assets as soon as their inputs have passed their audits.",
        minimum_interval_seconds=deployment.settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    batches = batches_of_stream(assets, deployment)
    waits, seconds = deployment.settings.retry_waits, deployment.settings.sensor_seconds
    return [
        automation,
        *([stream_sensor(batches, waits, seconds)] if batches else []),
        *landing_sensors(sources, assets, deployment),
        division_sensor(assets, seconds),
        retry_sensor(assets, waits, seconds),
    ]


def landing_sensors(
    sources: Sequence[LandingSource],
    assets: Sequence[LakeAsset],
    deployment: Deployment,
) -> list[dg.SensorDefinition]:
    """A listing sensor for each source, and the event sensor where a queue is configured."""
    settings = deployment.settings
    watches = tuple(
        Watch(DownstreamAssets.of(source, assets, deployment), settings) for source in sources
    )
    listing = [listing_sensor(watch) for watch in watches if watch.downstream.assets]
    if settings.landing_queue_url is None:
        return listing
    access = S3Access(settings.sqs_endpoint_url, settings.s3_region)
    queue = EventQueue(settings.landing_queue_url, access)
    return [*listing, event_sensor(EventWatch(watches, queue, settings.landing_uri))]
