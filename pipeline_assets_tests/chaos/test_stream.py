"""A process that reads a stream is killed for real, and the next one reads on."""

import os
from collections import Counter
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import LocalStore
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.activity.world import World, event
from pipeline_assets_tests.processes import killed_at_its_moment, wait_to_be_killed

EVENTS = 60
HOURS = 3


@pytest.fixture
def settings(make_settings: MakeSettings, s3: S3Access) -> Iterator[Settings]:
    settings = make_settings(
        s3_region="us-east-1",
        stream_name="killed",
        stream_endpoint_url=s3.endpoint_url,
        stream_batch_records=EVENTS,
    )
    Path(settings.landing_uri).mkdir()
    yield settings
    World(settings, dg.DagsterInstance.ephemeral()).client.delete_stream(StreamName="killed")


def test_kill_9_before_and_after_what_matters(settings: Settings) -> None:
    """Killed between two objects, then before the commit, then behind it: every event once."""
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(settings, instance)
        world.create_stream()
        put = [
            event(number, f"2026-03-02T{10 + number % HOURS}:00:00Z") for number in range(EVENTS)
        ]
        world.put(*put[:40])
        killed_at_its_moment(read_until, settings, credentials(), "second object")
        assert len(world.objects()) == 1
        killed_at_its_moment(read_until, settings, credentials(), "before commit")
        assert len(world.objects()) >= HOURS
        assert world.batches() == {}
        world.put(*put[40:], *put[:5])
        killed_at_its_moment(read_until, settings, credentials(), "behind commit")
        assert len(world.batches()) == 1
        assert [outcome.failures for outcome in world.read()] in ([], [()])
        assert world.update().failures == ()
        found = Counter(number for (number,) in world.query("SELECT event_id FROM activity.events"))
    assert found == Counter(str(it["event_id"]) for it in put)


def credentials() -> dict[str, str]:
    """Those of the double: processes are forked from one that may be older than they are."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def read_until(
    settings: Settings, environment: dict[str, str], moment_name: str, moment: Event
) -> None:
    """Read the stream until a moment, and wait there to be killed."""
    os.environ.update(environment)
    put, publish = LocalStore.put, Lake.publish
    puts: list[str] = []

    def put_until(store: LocalStore, uri: str, data: bytes) -> None:
        puts.append(uri)
        if moment_name == "second object" and len(puts) == 2:
            wait_to_be_killed(moment)
        put(store, uri, data)

    def publish_until(lake: Lake, *arguments: object) -> int:
        if moment_name == "before commit":
            wait_to_be_killed(moment)
        snapshot = publish(lake, *arguments)  # type: ignore[arg-type]
        if moment_name == "behind commit" and "stream_batches" in str(arguments[0]):
            wait_to_be_killed(moment)
        return snapshot

    LocalStore.put = put_until  # type: ignore[method-assign, assignment]
    Lake.publish = publish_until  # type: ignore[method-assign, assignment]
    with dg.DagsterInstance.ephemeral() as instance:
        World(settings, instance).read()
