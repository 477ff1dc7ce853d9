"""What has to be made: two tables that read boxes as they land, and one made from the first."""

from collections.abc import Mapping
from dataclasses import replace

import dagster as dg
import pytest

from pipeline_assets.dataset.inputs import LazyTable
from pipeline_assets.dataset.table import PartitionRecord
from pipeline_assets.staleness.stale_partitions import AGAIN, CODE, NEVER, World, stale_partitions
from pipeline_assets.staleness.versions import input_versions
from pipeline_assets_tests.orchestration.sensors.boxes import ASSETS, CODE_VERSIONS, contents

BOXES, LABELS, CONTENTS = (asset.name for asset in ASSETS)


def record(inputs: Mapping[str, str], name: str, version: str = "v1") -> PartitionRecord:
    return PartitionRecord(version, inputs, CODE_VERSIONS[name], run_id="", rows=1, bytes=1)


def up_to_date(instance: dg.DagsterInstance) -> World:
    """Boxes a and b have landed, and all is made from them."""
    instance.add_dynamic_partitions("box", ["a", "b"])
    landed = {"a": "a1", "b": "b1"}
    return World(
        assets=ASSETS,
        code_versions=CODE_VERSIONS,
        records={
            BOXES: {key: record({"objects": version}, BOXES) for key, version in landed.items()},
            LABELS: {key: record({"objects": version}, LABELS) for key, version in landed.items()},
            CONTENTS: {key: record({"raw_boxes": "v1"}, CONTENTS) for key in landed},
        },
        landed={"landing/boxes": landed},
        instance=instance,
    )


@pytest.fixture
def world(instance: dg.DagsterInstance) -> World:
    return up_to_date(instance)


def stale(world: World) -> list[tuple[str, str, str]]:
    return [(each.asset.name, each.key, each.reason) for each in stale_partitions(world)]


def published(
    world: World, name: str, key: str, found: PartitionRecord | None
) -> dict[str, Mapping[str, PartitionRecord]]:
    """The records, one of them replaced or taken away."""
    rest = {other: it for other, it in world.records[name].items() if other != key}
    return {**world.records, name: {**rest, **({key: found} if found else {})}}


def test_nothing_is_stale_when_all_is_made_from_what_lies_there(world: World) -> None:
    assert stale(world) == []


def test_what_was_never_published_is_stale_in_the_order_of_the_assets(world: World) -> None:
    nothing = replace(world, records={})
    assert stale(nothing) == [
        (name, key, NEVER) for name in (BOXES, LABELS, CONTENTS) for key in ("a", "b")
    ]
    assert {each.stage for each in stale_partitions(nothing)} == {0}, "one run makes all of a key"


def test_an_overwritten_box_makes_what_reads_it_stale_and_what_follows(world: World) -> None:
    new = replace(world, landed={"landing/boxes": {"a": "a2", "b": "b1"}})
    assert stale(new) == [
        (BOXES, "a", "objects changed"),
        (LABELS, "a", "objects changed"),
        (CONTENTS, "a", "raw_boxes is made anew"),
    ]


def test_an_upstream_table_that_was_published_anew_makes_only_its_readers_stale(
    world: World,
) -> None:
    anew = published(world, BOXES, "b", record({"objects": "b1"}, BOXES, "v2"))
    assert stale(replace(world, records=anew)) == [(CONTENTS, "b", "raw_boxes changed")]


def test_changed_code_makes_all_partitions_stale(world: World) -> None:
    code = {**CODE_VERSIONS, CONTENTS: "new"}
    found = [(CONTENTS, "a", CODE), (CONTENTS, "b", CODE)]
    assert stale(replace(world, code_versions=code)) == found


def test_a_partition_is_made_again_when_somebody_asks(world: World) -> None:
    asked = replace(world, again=lambda asset, key: (asset.name, key) == (LABELS, "b"))
    assert stale(asked) == [(LABELS, "b", AGAIN)]


def test_an_asset_that_keeps_is_stale_only_by_its_code(world: World) -> None:
    keeper = replace(contents, keeps=True)
    new = replace(
        world,
        assets=(*ASSETS[:2], keeper),
        landed={"landing/boxes": {"a": "a2", "b": "b1"}},
    )
    assert [name for name, _, _ in stale(new)] == [BOXES, LABELS]
    code = replace(new, code_versions={**CODE_VERSIONS, CONTENTS: "new"})
    assert [each for each in stale(code) if each[0] == CONTENTS] == [
        (CONTENTS, "a", CODE),
        (CONTENTS, "b", CODE),
    ]


def test_what_landed_no_more_is_left_as_it_is(world: World) -> None:
    gone = replace(world, landed={"landing/boxes": {"a": "a1"}})
    assert stale(gone) == []


def lazy(versions: Mapping[str, str]) -> LazyTable:
    return LazyTable(table=None, sources={}, versions=versions, rows=None)


def test_a_record_names_the_version_of_each_input_that_was_read() -> None:
    assert input_versions(contents, {"raw_boxes": lazy({"a": "v1", "b": "v2"})}, "b") == {
        "raw_boxes": "v2"
    }
    assert input_versions(contents, {}, "b") == {}
