"""The sensor of a stream, tick by tick: one batch after the other, and never two ways at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.sensors.retry_sensor import Retries
from pipeline_assets.orchestration.sensors.stream_sensor import StreamWatch
from pipeline_assets.orchestration.stream_batches import batches_of_stream
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.domains.activity.world import World, event

FIRST, SECOND = "000000001", "000000002"
BY_SENSOR = {"dagster/sensor_name": "stream"}
WAITS = (0.0,)


@dataclass
class Station:
    world: World
    cursor: str | None = None
    requested: list[dg.RunRequest] = field(default_factory=list)

    def tick(self, waits: tuple[float, ...] = WAITS) -> dg.RunRequest | str:
        """The run that a tick requests, or why it requests none."""
        batches = batches_of_stream(self.world.updater.assets, self.world.updater.deployment)
        assert batches
        context = dg.build_sensor_context(self.world.instance, cursor=self.cursor)
        result = StreamWatch(batches, waits).evaluate(context)
        self.cursor = result.cursor
        if result.skip_reason:
            return str(result.skip_reason.skip_message)
        (request,) = result.run_requests or ()
        for change in result.dynamic_partitions_requests or ():
            assert isinstance(change, dg.AddDynamicPartitionsRequest)
            self.world.instance.add_dynamic_partitions("batch", list(change.partition_keys))
        return request

    def run(self, request: dg.RunRequest | str) -> dg.ExecuteInProcessResult:
        assert isinstance(request, dg.RunRequest)
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        job = self.world.updater.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.world.instance,
            asset_selection=list(request.asset_selection or ()),
            partition_key=request.partition_key,
            run_config={**request.run_config, **quiet},
            tags={**BY_SENSOR, **request.tags},
            raise_on_error=False,
        )


@pytest.fixture
def station(
    make_settings: MakeSettings, s3: S3Access, instance: dg.DagsterInstance, tmp_path: Path
) -> Iterator[Station]:
    settings = make_settings(
        s3_region="us-east-1", stream_name=f"ticks-{tmp_path.name}"[:60],
        stream_endpoint_url=s3.endpoint_url,
    )  # fmt: skip
    Path(settings.landing_uri).mkdir()
    station = Station(World(settings, instance))
    station.world.create_stream(shards=1)
    yield station
    station.world.client.delete_stream(StreamName=settings.stream_name)


def test_one_batch_after_the_other_and_a_lost_cursor_is_no_loss(station: Station) -> None:
    assert station.tick() == "nothing has come since the last batch"
    assert station.cursor
    station.world.put(event(1, "2026-03-02T10:00:00Z"))
    first = station.tick()
    assert station.run(first).success
    assert "nothing has come" in str(station.tick())
    station.cursor = None
    station.world.put(event(2, "2026-03-02T10:00:01Z"))
    second = station.tick()
    assert isinstance(first, dg.RunRequest)
    assert isinstance(second, dg.RunRequest)
    assert (first.partition_key, second.partition_key) == (FIRST, SECOND)
    assert first.run_key != second.run_key


def test_a_failed_batch_is_tried_again_with_the_same_ranges_before_any_other(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.world.put(event(1, "2026-03-02T10:00:00Z"))
    request = station.tick()
    with monkeypatch.context() as broken:
        broken.setattr("pipeline_assets.streams.event_stream.igzip.compress", _fails)
        assert not station.run(request).success
    station.world.put(event(2, "2026-03-02T10:00:01Z"))
    assert "will be tried again" in str(station.tick())
    with pytest.raises(PipelineError, match="failed for good"):
        station.tick(waits=())
    retries = Retries(frozenset({"activity/stream_batches"}), WAITS)
    found = retries.evaluate(dg.build_sensor_context(station.world.instance))
    (again,) = found.run_requests or ()
    assert isinstance(request, dg.RunRequest)
    assert again.run_config["ops"] == request.run_config["ops"]
    assert again.tags["dagster/partition"] == FIRST
    assert station.run(again.with_replaced_attrs(partition_key=FIRST)).success
    assert [it.rows for it in station.world.batches().values()] == [1]
    following = station.tick()
    assert isinstance(following, dg.RunRequest)
    assert following.partition_key == SECOND


def _fails(*_args: object, **_options: object) -> bytes:
    raise PipelineError("the disk is full")
