"""What a landing sensor asks the lake and Dagster, on a lake and runs in memory."""

from dataclasses import replace

import dagster as dg
import pytest

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.orchestration.processes import PROCESS_TAG, this_process
from pipeline_assets.orchestration.sensors.cursor import Delivery
from pipeline_assets.orchestration.sensors.downstream import OBJECTS_TAG, DownstreamAssets
from pipeline_assets.settings import Settings
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.orchestration.sensors.boxes import ASSETS, SOURCE, contents, definitions
from pipeline_assets_tests.orchestration.sensors.simulated_edges import Place, downstream
from pipeline_assets_tests.orchestration.sensors.simulated_world import (
    World,
)

GRAPH = definitions().resolve_asset_graph()


@pytest.fixture
def world(instance: dg.DagsterInstance) -> World:
    return World(instance)


@pytest.fixture
def boxes(world: World, settings: Settings) -> DownstreamAssets:
    return downstream(world, settings)


def land(world: World, key: str, content: str) -> Delivery:
    world.put(f"boxes/{key}/1", content, age=3600)
    world.instance.add_dynamic_partitions("box", [key])
    found = Place(Settings.model_construct(), world).landing.deliveries(SOURCE, [key])[key]
    return Delivery(key, found)


def requested(boxes: DownstreamAssets, delivery: Delivery, world: World) -> dg.RunRequest | None:
    return next(boxes.requests([delivery], GRAPH, world.instance), None)


def made(
    boxes: DownstreamAssets, delivery: Delivery, world: World, *, tables: int = 3
) -> str | None:
    """Make what is requested, or the first tables of it; the run key."""
    request = requested(boxes, delivery, world)
    assert request
    world.start(request)
    for _ in range(min(tables, len(request.asset_selection or ()))):
        world.go_on(str(request.run_key))
    return request.run_key


def test_what_reads_the_objects_and_what_is_made_from_that(boxes: DownstreamAssets) -> None:
    assert [asset.table.name for asset in boxes.assets] == ["raw_boxes", "raw_labels", "contents"]
    assert [asset.table.name for asset in boxes.ingests] == ["raw_boxes", "raw_labels"]


def test_a_file_that_is_put_back_as_it_was_is_made_again(
    world: World, boxes: DownstreamAssets
) -> None:
    first = made(boxes, land(world, "a", "x"), world)
    second = made(boxes, land(world, "a", "y"), world)
    third = made(boxes, land(world, "a", "x"), world)
    assert len({first, second, third}) == 3, "Dagster never starts a run key twice"
    assert world.missed == []


def test_a_run_key_changes_with_each_table_that_a_run_has_published(
    world: World, boxes: DownstreamAssets
) -> None:
    delivery = land(world, "a", "x")
    first = made(boxes, delivery, world, tables=1)
    rest = requested(boxes, delivery, world)
    assert rest
    assert rest.run_key != first
    assert [key.path[-1] for key in rest.asset_selection or ()] == ["raw_labels", "contents"]


def test_each_delivery_has_a_run_for_what_it_makes_stale(
    world: World, boxes: DownstreamAssets
) -> None:
    made(boxes, land(world, "a", "x"), world, tables=1)
    due = [land(world, "a", "x"), land(world, "b", "x")]
    first, second = boxes.requests(due, GRAPH, world.instance)
    assert [first.partition_key, second.partition_key] == ["a", "b"]
    assert [key.path[-1] for key in first.asset_selection or ()] == ["raw_labels", "contents"]
    assert [key.path[-1] for key in second.asset_selection or ()] == [
        *["raw_boxes", "raw_labels", "contents"]
    ]
    assert second.tags[OBJECTS_TAG] == due[1].version


def test_what_has_lost_objects_is_withdrawn_until_others_come(
    world: World, boxes: DownstreamAssets
) -> None:
    world.put("boxes/a/2", "x", age=3600)
    made(boxes, land(world, "a", "x"), world)
    del world.objects["boxes/a/2"]
    assert boxes.withdrawn([land(world, "a", "y")]) == {"a"}
    world.put("boxes/a/3", "x", age=3600)
    assert boxes.withdrawn([land(world, "a", "y")]) == frozenset()
    assert boxes.withdrawn([land(world, "b", "x")]) == frozenset()


def test_nothing_is_requested_of_what_is_made(world: World, boxes: DownstreamAssets) -> None:
    delivery = land(world, "a", "x")
    made(boxes, delivery, world)
    assert requested(boxes, delivery, world) is None


def test_a_partition_is_made_when_all_that_read_the_objects_agree(
    world: World, boxes: DownstreamAssets
) -> None:
    old, other = land(world, "a", "x"), land(world, "b", "x")
    made(boxes, old, world)
    made(boxes, other, world)
    assert boxes.materialised_versions() == {"a": old.version, "b": other.version}
    new = land(world, "a", "y")
    made(boxes, new, world, tables=1)
    assert boxes.materialised_versions() == {"b": other.version}, (
        "one table of a is from new objects, one from old"
    )


def test_a_partition_that_only_one_of_them_has_is_not_made(
    world: World, boxes: DownstreamAssets
) -> None:
    made(boxes, land(world, "a", "x"), world, tables=1)
    assert boxes.materialised_versions() == {}


PARTITION = "dagster/partition"
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
ADDED = ("d", "b", "c", "a")
"""Dagster's ranges of dynamic partitions follow the order in which they were added."""

MAKES = {
    "one": ({PARTITION: "b"}, {"b"}),
    "another": ({PARTITION: "elsewhere"}, set()),
    "a range": ({FIRST: "b", LAST: "a"}, {"b", "c", "a"}),
    "a range of one": ({FIRST: "c", LAST: "c"}, {"c"}),
    "a range whose ends are not in the order of letters": ({FIRST: "d", LAST: "b"}, {"d", "b"}),
    "a range whose last partition was deleted": ({FIRST: "c", LAST: "gone"}, {"c", "a"}),
    "no partition": ({}, set()),
}


def run(world: World, tags: dict[str, str], asset: dg.AssetKey = ASSETS[2].key) -> dg.DagsterRun:
    world.instance.add_dynamic_partitions("box", list(ADDED))
    return world.instance.add_run(
        dg.DagsterRun(
            job_name="boxes",
            asset_selection=frozenset({asset}),
            status=dg.DagsterRunStatus.STARTED,
            tags=tags,
        )
    )


@pytest.mark.parametrize(("tags", "busy"), MAKES.values(), ids=MAKES)
def test_a_partition_is_busy_while_a_run_makes(
    tags: dict[str, str], busy: set[str], world: World, boxes: DownstreamAssets
) -> None:
    ours = run(world, tags)
    assert boxes.in_progress(ADDED, world.instance) == busy
    assert boxes.in_progress(["d"], world.instance) == busy & {"d"}
    world.instance.report_run_failed(ours)
    assert boxes.in_progress(ADDED, world.instance) == set()


def test_a_partition_is_free_once_the_update_that_made_it_was_killed(
    world: World, boxes: DownstreamAssets
) -> None:
    place, _, _ = this_process().rpartition("/")
    run(world, {PARTITION: "a", PROCESS_TAG: this_process()})
    run(world, {PARTITION: "d", PROCESS_TAG: f"{place}/{2**22 + 1}"})
    assert boxes.in_progress(["a", "d"], world.instance) == {"a"}


def test_runs_of_other_assets_keep_nothing_busy(world: World, boxes: DownstreamAssets) -> None:
    run(world, {PARTITION: "a"}, asset=dg.AssetKey(["elsewhere", "contents"]))
    assert boxes.in_progress(ADDED, world.instance) == set()


def named(name: str, *upstream: LakeAsset, like: LakeAsset = contents) -> LakeAsset:
    """An asset that is made from others."""
    specs = tuple(
        replace(contents.inputs[0], name=it.table.name, key=it.key, optional=True)
        for it in upstream
    )
    return replace(like, table=replace(like.table, name=name), inputs=specs)


def test_what_is_made_is_looked_at_with_all_it_is_made_from(
    world: World, settings: Settings
) -> None:
    whole = replace(contents, partitioning=None)
    suppliers = named("suppliers", like=whole)
    catalogue = named("catalogue", suppliers, like=whole)
    mixed = named("mixed", ASSETS[0], catalogue)
    graph = (*ASSETS[:2], mixed, catalogue, suppliers, named("unrelated", like=whole))
    found = DownstreamAssets.of(SOURCE, graph, Place(settings, world))
    assert [it.table.name for it in found.assets] == ["raw_boxes", "raw_labels", "mixed"]
    assert [it.table.name for it in found.with_upstream] == [
        *["raw_boxes", "raw_labels", "mixed", "catalogue", "suppliers"]
    ]


def test_what_fills_a_database_is_requested_where_there_is_one(
    world: World, make_settings: MakeSettings
) -> None:
    filled = (*ASSETS[:2], replace(contents, system="warehouse"))
    delivery = land(world, "a", "x")

    def selected(**changes: object) -> list[str]:
        place = Place(make_settings(**changes), world)
        request = requested(DownstreamAssets.of(SOURCE, filled, place), delivery, world)
        return [key.path[-1] for key in request.asset_selection or ()] if request else []

    elsewhere = {"warehouse_dsn": "postgresql://ada@db.example/shop"}
    assert selected() == ["raw_boxes", "raw_labels"]
    assert selected(**elsewhere) == ["raw_boxes", "raw_labels", "contents"]
    made(downstream(world, make_settings()), delivery, world)
    assert selected() == []
    assert selected(**elsewhere) == ["contents"], "it was never filled from this"
    record = world.record("sensors/contents", "a")
    assert record
    there = {**record.inputs, "warehouse": "postgresql://db.example/shop"}
    world.records[str(ASSETS[2].table)]["a"] = replace(record, inputs=there)
    assert selected(**elsewhere) == []


def test_what_reads_a_database_is_not_stale_by_what_lands(
    world: World, make_settings: MakeSettings
) -> None:
    """Nobody asks the database at every tick: it counts as it was when it was last read."""
    shop = replace(contents, system="oltp", source_versions=lambda *_: {})
    delivery = land(world, "a", "x")
    made(downstream(world, make_settings()), delivery, world)
    record = world.record("sensors/contents", "a")
    assert record
    world.records[str(shop.table)]["a"] = replace(record, inputs={**record.inputs, "oltp": "s1"})
    place = Place(make_settings(oltp_dsn="postgresql://ada@db.example/shop"), world)
    assert (
        requested(DownstreamAssets.of(SOURCE, (*ASSETS[:2], shop), place), delivery, world) is None
    )
