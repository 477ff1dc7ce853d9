"""The other way in production: Firehose writes objects into the bucket, sensors find them."""

import json

import boto3
import dagster as dg

from pipeline_assets.definitions import assets_for, landing_for
from pipeline_assets.domains.activity.assets import EVENTS
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.sensors.sensors import landing_sensors
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.activity.world import ASSETS, World, event

HOUR = "2026-03-02T10"


def test_what_firehose_puts_is_found_by_the_landing_sensor_and_becomes_events(
    make_settings: MakeSettings, s3: S3Access, bucket: str, instance: dg.DagsterInstance
) -> None:
    """The prefix is what dynamic partitioning by the hour of `occurred_at` makes of it."""
    settings = make_settings(
        landing_uri=bucket, s3_endpoint_url=s3.endpoint_url, s3_region="us-east-1",
        landing_settle_seconds=0,
    )  # fmt: skip
    world = World(settings, instance)
    firehose = boto3.client("firehose", endpoint_url=s3.endpoint_url, region_name="us-east-1")
    firehose.create_delivery_stream(
        DeliveryStreamName="events",
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::111122223333:role/firehose",
            "BucketARN": f"arn:aws:s3:::{bucket.removeprefix('s3://')}",
            "Prefix": f"activity/{HOUR}/",
        },
    )
    records = [event(number, f"{HOUR}:00:0{number}Z") for number in range(3)]
    firehose.put_record_batch(
        DeliveryStreamName="events",
        Records=[{"Data": json.dumps(it).encode() + b"\n"} for it in [*records, records[0]]],
    )
    assets = assets_for(settings, ASSETS)
    sources = [it for it in landing_for(settings) if it.key == EVENTS.key]
    (sensor,) = landing_sensors(sources, assets, Deployment(settings))
    context = dg.build_sensor_context(
        instance, definitions=world.updater.definitions, sensor_name=sensor.name
    )
    result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests or ()
    assert request.partition_key == HOUR
    assert {key.path[-1] for key in request.asset_selection or ()} == {
        "raw_events", "rejected_rows", "events"
    }  # fmt: skip
    assert world.update().failures == ()
    assert world.query("SELECT count(*), count(DISTINCT event_id) FROM activity.events") == [(3, 3)]
    assert world.query("SELECT reason FROM activity.rejected_rows") == [("repeated",)]
