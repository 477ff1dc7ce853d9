"""From a stream to tables: one lake, read in two batches, with all that can be odd about events."""

import gzip
import json
from collections.abc import Iterator
from datetime import date, datetime

import dagster as dg
import pytest

from pipeline_assets.definitions import build_definitions
from pipeline_assets.domains.activity.assets import stream_batches
from pipeline_assets.settings import Settings
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.domains.activity.world import ASSETS, World, event

DAY = "2026-03-02"
TEN, ELEVEN = f"{DAY}T10", f"{DAY}T11"

EARLY = [
    event(1, f"{TEN}:00:00Z", kind="search", film_id=None, seconds=None),
    event(2, f"{TEN}:01:00.250Z"),
    event(3, f"{TEN}:29:00Z", seconds=12.5),
    event(4, f"{ELEVEN}:10:00+00:00", kind="rent", seconds=None),
    event(5, f"{ELEVEN}:10:00Z", customer_id=2, kind="pause"),
]
LATE = [event(6, f"{TEN}:59:59Z", customer_id=2), event(2, f"{TEN}:01:00.250Z")]
BROKEN = {
    "bad_customer_id": event(11, f"{ELEVEN}:00:00Z", customer_id="Ada"),
    "bad_film_id": event(12, f"{ELEVEN}:00:00Z", film_id=None),
    "bad_kind": event(13, f"{ELEVEN}:00:00Z", kind="stare"),
    "bad_seconds": event(14, f"{ELEVEN}:00:00Z", seconds=-1),
    "bad_event_id": event(15, f"{ELEVEN}:00:00Z", event_id=""),
    "bad_occurred_at": event(16, f"{ELEVEN}:00:00+02:00"),
}
SAID = b'{"occurred_at": "%s:00:00Z", "x": ' % ELEVEN.encode()
POISON = (
    SAID + b"[" * 50_000,
    SAID + b'"\\ud800"}',
    SAID + b'"\xff"}',
)
"""Lines that no reader of JSON gets through; they must not hold up what comes behind them."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Access) -> Iterator[World]:
    """Two batches: what came in time, then what came late or again."""
    folder = tmp_path_factory.mktemp("activity")
    settings = Settings(
        lake_uri=str(folder / "lake"),
        landing_uri=str(folder / "landing"),
        dagster_home=folder / "home",
        s3_region="us-east-1",
        stream_name="events",
        stream_endpoint_url=s3_server.endpoint_url,
    )
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "key-of-the-tests")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-tests")
        world = World(settings, instance)
        world.create_stream()
        two = b"\n".join(json.dumps(it).encode() for it in EARLY[1:3])
        world.put(EARLY[0], two, gzip.compress(json.dumps(EARLY[3]).encode()), EARLY[4])
        world.put(*BROKEN.values(), *POISON, b"[" * 50_000)
        assert [outcome.failures for outcome in world.read()] == [()]
        assert world.update().failures == ()
        world.put(*LATE)
        assert [outcome.failures for outcome in world.read()] == [()]
        assert set(world.update().made) == {
            *(f"{name}[{TEN}]" for name in ("raw_events", "rejected_rows", "events")),
            *(f"{name}[{DAY}]" for name in ("customer_activity", "rents_after_views")),
        }
        yield world


def test_every_event_is_in_its_hour_once(world: World) -> None:
    found = world.query("SELECT event_id, hour, occurred_at FROM activity.events ORDER BY 1")
    assert [it[:2] for it in found] == [
        ("e1", TEN), ("e2", TEN), ("e3", TEN), ("e4", ELEVEN), ("e5", ELEVEN), ("e6", TEN)
    ]  # fmt: skip
    assert found[1][2] == datetime(2026, 3, 2, 10, 1, 0, 250_000)
    assert found[3][2] == datetime(2026, 3, 2, 11, 10)


def test_what_is_no_event_is_rejected_with_the_reason(world: World) -> None:
    found = world.query("SELECT reason FROM activity.rejected_rows WHERE reason <> 'repeated'")
    assert sorted(reason for (reason,) in found) == sorted([*BROKEN, *["no_json"] * len(POISON)])


def test_an_event_that_comes_again_in_a_later_batch_is_counted(world: World) -> None:
    found = world.query("SELECT raw, hour FROM activity.rejected_rows WHERE reason = 'repeated'")
    assert found == [(f"e2,1,7,view,{TEN}:01:00.250Z,60", TEN)]


def test_the_record_of_a_batch_holds_its_ranges(world: World) -> None:
    records = world.batches()
    assert list(records) == ["000000001", "000000002"]
    ranges = [(record.config or {})["ranges"] for record in records.values()]
    read = world.query(
        "SELECT batch, shard, first_sequence, last_sequence FROM activity.stream_batches"
    )
    assert {it[0] for it in read} == set(records)
    assert all(ranges[int(batch) - 1][shard] == [first, last] for batch, shard, first, last in read)
    ends = {shard: int(last) for shard, (_, last) in ranges[0].items()}
    assert all(int(first) > ends.get(shard, 0) for shard, (first, _) in ranges[1].items())


def test_a_day_of_a_customer(world: World) -> None:
    columns = "seconds, events, views, rents, searches, sessions, films, rented_after_viewed"
    found = world.query(f"SELECT customer_id, day, {columns} FROM activity.customer_activity")
    # 41 minutes without an event between 10:29 and 11:10 begin another session.
    assert sorted(found) == [
        (1, date(2026, 3, 2), 72.5, 4, 2, 1, 1, 2, 1, 1),
        (2, date(2026, 3, 2), 120.0, 2, 1, 0, 0, 1, 1, 0),
    ]


def test_what_is_rented_after_what_is_viewed(world: World) -> None:
    found = world.query("SELECT * EXCLUDE day FROM activity.rents_after_views")
    assert found == [(1, 7, 7, 4140)]


def test_a_batch_that_is_published_is_a_no_op(world: World) -> None:
    before, landed = world.batches(), world.objects()
    record = before["000000001"]
    result = _run(world, world.settings, record.config or {})
    assert result.success
    assert world.batches() == before
    assert world.objects() == landed


def test_nobody_types_a_batch(world: World) -> None:
    result = _run(world, world.settings, {}, key="000000009")
    assert not result.success
    assert "the sensor of the stream" in str(_fault(result))


def test_a_batch_of_another_stream_is_refused(world: World) -> None:
    config = {**(world.batches()["000000001"].config or {}), "stream": "other"}
    assert "The batch is of stream other" in str(_fault(_run(world, world.settings, config, "8")))


def test_nothing_new_is_nothing_to_do(world: World) -> None:
    assert world.read() == []
    assert world.update().made == ()


def test_without_a_stream_nothing_is_read_and_files_still_land(world: World) -> None:
    settings = world.settings.model_copy(update={"stream_name": None})
    unset = World(settings, world.instance)
    assert unset.read() == []


def _run(
    world: World, settings: Settings, config: object, key: str = "000000001"
) -> dg.ExecuteInProcessResult:
    world.instance.add_dynamic_partitions("batch", [key])
    job = build_definitions(settings, assets=ASSETS).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=world.instance,
        asset_selection=[stream_batches.key],
        partition_key=key,
        run_config={
            "ops": {"activity__stream_batches": {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def _fault(result: dg.ExecuteInProcessResult) -> object:
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    data = failed.step_failure_data
    return data.user_failure_data and data.user_failure_data.description
