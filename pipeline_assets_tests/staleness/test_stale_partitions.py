"""What has to be made: two tables that read boxes as they land, and one made from the first."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import dagster as dg
import pytest

from pipeline_assets.dataset.inputs import ABSENT, LazyTable
from pipeline_assets.dataset.partitioning import Partitioning
from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.staleness.outside_systems import OutsideVersions
from pipeline_assets.staleness.stale_partitions import (
    CODE,
    FORCED,
    NEVER,
    GraphState,
    stale_partitions,
)
from pipeline_assets.staleness.versions import digest, input_versions
from pipeline_assets_tests.orchestration.sensors.boxes import ASSETS, CODE_VERSIONS, contents

BOXES, LABELS, CONTENTS = (asset.name for asset in ASSETS)


def record(inputs: Mapping[str, str], name: str, version: str = "v1") -> PartitionRecord:
    return PartitionRecord(version, inputs, CODE_VERSIONS[name], run_id="", rows=1, bytes=1)


def up_to_date(instance: dg.DagsterInstance) -> GraphState:
    """Boxes a and b have landed, and all is made from them."""
    instance.add_dynamic_partitions("box", ["a", "b"])
    landed = {"a": "a1", "b": "b1"}
    return GraphState(
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
def state(instance: dg.DagsterInstance) -> GraphState:
    return up_to_date(instance)


def stale(state: GraphState) -> list[tuple[str, str, str]]:
    return [(each.asset.name, each.key, each.reason) for each in stale_partitions(state)]


def published(
    state: GraphState, name: str, key: str, found: PartitionRecord | None
) -> dict[str, Mapping[str, PartitionRecord]]:
    """The records, one of them replaced or taken away."""
    rest = {other: it for other, it in state.records[name].items() if other != key}
    return {**state.records, name: {**rest, **({key: found} if found else {})}}


def test_nothing_is_stale_when_all_is_made_from_what_lies_there(state: GraphState) -> None:
    assert stale(state) == []


def test_what_was_never_published_is_stale_in_the_order_of_the_assets(state: GraphState) -> None:
    nothing = replace(state, records={})
    assert stale(nothing) == [
        (name, key, NEVER) for name in (BOXES, LABELS, CONTENTS) for key in ("a", "b")
    ]
    assert {each.stage for each in stale_partitions(nothing)} == {0}, "one run makes all of a key"


def test_an_overwritten_box_makes_what_reads_it_stale_and_what_follows(state: GraphState) -> None:
    new = replace(state, landed={"landing/boxes": {"a": "a2", "b": "b1"}})
    assert stale(new) == [
        (BOXES, "a", "objects changed"),
        (LABELS, "a", "objects changed"),
        (CONTENTS, "a", "raw_boxes is materialised again"),
    ]


def test_an_upstream_table_that_was_published_anew_makes_only_its_readers_stale(
    state: GraphState,
) -> None:
    anew = published(state, BOXES, "b", record({"objects": "b1"}, BOXES, "v2"))
    assert stale(replace(state, records=anew)) == [(CONTENTS, "b", "raw_boxes changed")]


def test_changed_code_makes_all_partitions_stale(state: GraphState) -> None:
    code = {**CODE_VERSIONS, CONTENTS: "new"}
    found = [(CONTENTS, "a", CODE), (CONTENTS, "b", CODE)]
    assert stale(replace(state, code_versions=code)) == found


def test_a_partition_is_made_again_when_somebody_asks(state: GraphState) -> None:
    asked = replace(state, is_forced=lambda asset, key: (asset.name, key) == (LABELS, "b"))
    assert stale(asked) == [(LABELS, "b", FORCED)]


def test_an_asset_that_keeps_is_stale_only_by_its_code(state: GraphState) -> None:
    keeper = replace(contents, refreshes_on_request=True)
    new = replace(
        state,
        assets=(*ASSETS[:2], keeper),
        landed={"landing/boxes": {"a": "a2", "b": "b1"}},
    )
    assert [name for name, _, _ in stale(new)] == [BOXES, LABELS]
    code = replace(new, code_versions={**CODE_VERSIONS, CONTENTS: "new"})
    assert [each for each in stale(code) if each[0] == CONTENTS] == [
        (CONTENTS, "a", CODE),
        (CONTENTS, "b", CODE),
    ]


def test_what_landed_no_more_is_left_as_it_is(state: GraphState) -> None:
    gone = replace(state, landed={"landing/boxes": {"a": "a1"}})
    assert stale(gone) == []


def lazy(versions: Mapping[str, str]) -> LazyTable:
    return LazyTable(table=None, sources={}, versions=versions, rows=None)


def test_a_record_names_the_version_of_each_input_that_was_read() -> None:
    assert input_versions(contents, {"raw_boxes": lazy({"a": "v1", "b": "v2"})}, "b") == {
        "raw_boxes": "v2"
    }
    assert input_versions(contents, {}, "b") == {}


SHOP = replace(contents, inputs=(), system="oltp", source_versions=lambda *_: {})


def selling(
    state: GraphState, sold: str | None, available_versions: Mapping[str, str]
) -> GraphState:
    """Only what a shop's database holds, and the version of it that box a was made from."""
    found = {"a": record({"oltp": sold}, CONTENTS)} if sold else {}
    outside = OutsideVersions(versions={CONTENTS: available_versions})
    return replace(state, assets=(SHOP,), records={CONTENTS: found}, outside=outside)


def test_what_a_database_holds_is_compared_partition_by_partition(state: GraphState) -> None:
    assert stale(selling(state, None, {"a": "s1"})) == [(CONTENTS, "a", NEVER)]
    assert stale(selling(state, "s1", {"a": "s1"})) == []
    assert stale(selling(state, "s1", {"a": "s2"})) == [
        (CONTENTS, "a", "the oltp database changed")
    ]
    assert stale(selling(state, "s1", {"a": "s1", "b": "s1"})) == [(CONTENTS, "b", NEVER)]


def test_a_database_that_is_not_set_up_leaves_its_assets_alone(state: GraphState) -> None:
    idle = replace(
        selling(state, None, {"a": "s1"}), outside=OutsideVersions(idle={CONTENTS: "not set"})
    )
    assert stale(idle) == []


def test_a_table_elsewhere_is_filled_again_when_it_is_another(state: GraphState) -> None:
    exported = replace(contents, system="warehouse")
    there = published(
        state, CONTENTS, "a", record({"raw_boxes": "v1", "warehouse": "here"}, CONTENTS)
    )
    filled = replace(
        state,
        assets=(*ASSETS[:2], exported),
        records=published(replace(state, records=there), CONTENTS, "b", there[CONTENTS]["a"]),
    )
    same = replace(filled, outside=OutsideVersions(destinations={CONTENTS: "here"}))
    other = replace(filled, outside=OutsideVersions(destinations={CONTENTS: "elsewhere"}))
    assert stale(same) == []
    assert stale(other) == [(CONTENTS, key, "the warehouse database changed") for key in ("a", "b")]


# Of each box, all boxes are an input: what a mapping feeds into one partition.
READER = replace(
    contents, inputs=(replace(contents.inputs[0], partition_mapping=dg.AllPartitionMapping()),)
)
EVERY = digest({"a": "v1", "b": "v1"})


def mapped(state: GraphState, read: str) -> GraphState:
    made = {key: record({"raw_boxes": read}, CONTENTS) for key in ("a", "b")}
    records = {**state.records, CONTENTS: made}
    return replace(state, assets=(*ASSETS[:2], READER), records=records)


def test_a_mapped_input_is_all_the_partitions_that_feed_one(state: GraphState) -> None:
    assert stale(mapped(state, EVERY)) == []
    assert stale(mapped(state, "other")) == [
        (CONTENTS, key, "raw_boxes changed") for key in ("a", "b")
    ]


def test_what_reads_other_partitions_is_made_a_stage_later(state: GraphState) -> None:
    new = replace(mapped(state, EVERY), landed={"landing/boxes": {"a": "a2", "b": "b1"}})
    assert [(each.asset.name, each.key, each.stage) for each in stale_partitions(new)] == [
        (BOXES, "a", 0),
        (LABELS, "a", 0),
        (CONTENTS, "a", 1),
        (CONTENTS, "b", 1),
    ]


def test_nothing_is_wanted_of_what_has_no_input_yet(state: GraphState) -> None:
    nothing = replace(state, records={}, landed={})
    assert stale(nothing) == []
    whole = replace(contents, partitioning=None)
    for reader in (READER, whole):
        assert stale(replace(nothing, assets=(*ASSETS[:2], reader))) == []


def test_the_required_inputs_decide_which_partitions_are_wanted(state: GraphState) -> None:
    boxes = contents.inputs[0]
    labels = replace(boxes, name="raw_labels", key=ASSETS[1].key, optional=True)
    only_labelled = replace(
        state,
        records={
            BOXES: {"a": state.records[BOXES]["a"]},
            LABELS: {key: record({}, LABELS) for key in ("a", "b")},
        },
        outside=OutsideVersions(idle={BOXES: "nobody", LABELS: "nobody"}),
    )
    one_required = replace(contents, inputs=(boxes, labels))
    assert stale(replace(only_labelled, assets=(*ASSETS[:2], one_required))) == [
        (CONTENTS, "a", NEVER)
    ]
    none_required = replace(contents, inputs=(replace(boxes, optional=True), labels))
    assert stale(replace(only_labelled, assets=(*ASSETS[:2], none_required))) == [
        (CONTENTS, "a", NEVER),
        (CONTENTS, "b", NEVER),
    ]


def test_a_window_is_stale_with_the_windows_that_are_mapped_to_it(state: GraphState) -> None:
    days = Partitioning("box", dg.DailyPartitionsDefinition(start_date="2024-01-01"))
    last_two = dg.TimeWindowPartitionMapping(start_offset=-1)
    daily = replace(ASSETS[0], partitioning=days)
    reader = replace(
        contents,
        partitioning=days,
        inputs=(replace(contents.inputs[0], partition_mapping=last_two),),
    )
    keys = [f"2024-01-0{day}" for day in (1, 2, 3, 4)]
    read = {
        keys[0]: {keys[0]: "v1"},
        **{key: {before: "v1", key: "v1"} for before, key in pairwise(keys)},
    }
    current = replace(
        state,
        assets=(daily, reader),
        landed={"landing/boxes": dict.fromkeys(keys, "day1")},
        records={
            BOXES: {key: record({"objects": "day1"}, BOXES) for key in keys},
            CONTENTS: {
                key: record({"raw_boxes": digest(versions)}, CONTENTS)
                for key, versions in read.items()
            },
        },
    )
    assert stale(current) == []
    landed = {**current.landed["landing/boxes"], keys[1]: "again"}
    assert stale(replace(current, landed={"landing/boxes": landed})) == [
        (BOXES, keys[1], "objects changed"),
        (CONTENTS, keys[1], "raw_boxes is materialised again"),
        (CONTENTS, keys[2], "raw_boxes is materialised again"),
    ]


def test_a_table_without_partitions_is_made_from_all_there_are(state: GraphState) -> None:
    whole = replace(contents, partitioning=None)
    made = {**state.records, CONTENTS: {"": record({"raw_boxes": EVERY}, CONTENTS)}}
    up_to_date_ = replace(state, assets=(*ASSETS[:2], whole), records=made)
    assert stale(up_to_date_) == []
    made[CONTENTS] = {"": record({"raw_boxes": "v1"}, CONTENTS)}
    assert stale(replace(up_to_date_, records=made)) == [(CONTENTS, "", "raw_boxes changed")]


def test_an_optional_input_that_is_not_there_has_a_version_of_its_own(state: GraphState) -> None:
    boxes = contents.inputs[0]
    labels = replace(boxes, name="raw_labels", key=ASSETS[1].key, optional=True)
    read = {"raw_boxes": "v1", "raw_labels": ABSENT}
    without = replace(
        state,
        assets=(*ASSETS[:2], replace(contents, inputs=(boxes, labels))),
        records={
            BOXES: state.records[BOXES],
            CONTENTS: {key: record(read, CONTENTS) for key in ("a", "b")},
        },
        outside=OutsideVersions(idle={LABELS: "nobody delivers labels"}),
    )
    assert stale(without) == []
    labelled = {**without.records, LABELS: {"a": record({}, LABELS, "v7")}}
    assert stale(replace(without, records=labelled)) == [(CONTENTS, "a", "raw_labels changed")]


def test_a_record_of_a_mapped_input_names_what_was_loaded_of_it() -> None:
    whole = replace(READER, partitioning=None)
    loaded = {"raw_boxes": lazy({"a": "v1", "b": "v1"})}
    assert input_versions(whole, loaded, "") == {"raw_boxes": EVERY}
    days = Partitioning("box", dg.DailyPartitionsDefinition(start_date="2024-01-01"))
    last_two = dg.TimeWindowPartitionMapping(start_offset=-1)
    daily = replace(
        READER,
        partitioning=days,
        inputs=(replace(contents.inputs[0], partition_mapping=last_two),),
    )
    three = {"raw_boxes": lazy({f"2024-01-0{day}": f"v{day}" for day in (1, 2, 3)})}
    assert input_versions(daily, three, "2024-01-03") == {
        "raw_boxes": digest({"2024-01-02": "v2", "2024-01-03": "v3"})
    }
