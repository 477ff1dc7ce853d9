from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.diary.bench import diary, land
from pipeline_assets_tests.workbench import Result, Workbench, failures

MONDAY = {"one": "ada: hello\nbob: good day\n", "two": "ada: what a day it is\n"}


@pytest.fixture
def bench(make_settings: MakeSettings) -> Workbench:
    return diary(make_settings())


def metadata(result: Result, name: str) -> Mapping[str, Any]:
    (event,) = result.asset_materializations_for_node(name)
    return {key: value.value for key, value in event.metadata.items()}


def test_a_partition_goes_from_landing_to_its_tables(bench: Workbench) -> None:
    land(bench, "mon", **MONDAY)
    result = bench.run("mon")
    assert failures(result) == []
    assert bench.content("diary.entries")["diary.entries"] == [
        ("one.txt", 1, "ada", 5, "mon"),
        ("one.txt", 2, "bob", 8, "mon"),
        ("two.txt", 1, "ada", 16, "mon"),
    ]


def test_a_run_tells_what_it_made(bench: Workbench) -> None:
    land(bench, "mon", **MONDAY)
    told = metadata(bench.run("mon"), "diary__entries")
    (snapshot,) = bench.lake.history(bench.tables["diary.entries"])
    assert told["dagster/partition_row_count"] == 3
    assert told["snapshot_id"] == str(snapshot.snapshot_id)
    assert told["dagster/table_name"] == "diary.entries"
    assert told["dagster/uri"] == bench.lake.location(bench.tables["diary.entries"])
    assert told["files"] == len(bench.lake.read(bench.tables["diary.entries"]).files)
    assert len(told["preview"].records) == 3
    lineage = told["dagster/column_lineage"].deps_by_column
    assert lineage["letters"] == [
        dg.TableColumnDep(asset_key=dg.AssetKey(["diary", "pages"]), column_name="part_uri")
    ]


def test_a_range_in_one_run_is_what_single_runs_make(
    bench: Workbench, make_settings: MakeSettings, tmp_path: Path
) -> None:
    single = diary(make_settings(lake_uri=str(tmp_path / "single")))
    for each in (bench, single):
        land(each, "mon", **MONDAY)
        land(each, "tue", one="bob: no\n")
    assert bench.run("mon", "tue").success
    assert [single.run(day).success for day in ("mon", "tue")] == [True, True]
    assert bench.content("diary.entries") == single.content("diary.entries")
    for name in ("diary.pages", "diary.entries"):
        ours, theirs = (each.lake.read(each.tables[name]).records for each in (bench, single))
        assert {key: (made.version, made.rows) for key, made in ours.items()} == {
            key: (made.version, made.rows) for key, made in theirs.items()
        }
    assert len(bench.lake.history(bench.tables["diary.entries"])) == 1


def test_each_partition_of_a_range_has_its_own_rows_in_dagster(bench: Workbench) -> None:
    land(bench, "mon", **MONDAY)
    land(bench, "tue", one="bob: no\n")
    result = bench.run("mon", "tue")
    events = result.asset_materializations_for_node("diary__entries")
    counts = {e.partition: e.metadata["dagster/partition_row_count"].value for e in events}
    assert counts == {"mon": 3, "tue": 1}


def test_a_table_without_partitions_is_made_from_all_of_them(bench: Workbench) -> None:
    for day in ("mon", "tue"):
        land(bench, day, one="ada: hello\n")
        bench.run(day)
    result = bench.run()
    assert bench.content("diary.letters")["diary.letters"] == [("ada", 10)]
    assert metadata(result, "diary__letters")["dagster/row_count"] == 1
    land(bench, "tue", one="bob: good day\n")
    bench.run("tue")
    bench.run()
    assert bench.content("diary.letters")["diary.letters"] == [("ada", 5), ("bob", 8)]


@pytest.mark.parametrize("day", ["größe", "a b", "x=1", "%2F", "it's", '"', "01", "null"])
def test_odd_keys_go_all_the_way(bench: Workbench, day: str) -> None:
    land(bench, day, one="ada: hello\n")
    assert failures(bench.run(day)) == []
    assert bench.content("diary.entries")["diary.entries"] == [("one.txt", 1, "ada", 5, day)]


def test_running_again_replaces_and_does_not_add(bench: Workbench) -> None:
    land(bench, "mon", **MONDAY)
    bench.run("mon")
    before = bench.content("diary.entries")
    records = bench.lake.read(bench.tables["diary.entries"]).records
    bench.run("mon")
    assert bench.content("diary.entries") == before
    again = bench.lake.read(bench.tables["diary.entries"]).records
    assert again["mon"].version == records["mon"].version


def test_a_missing_upstream_partition_is_told_in_one_line_and_not_tried_again(
    bench: Workbench,
) -> None:
    land(bench, "mon", **MONDAY)
    result = bench.run("mon", only=["diary.entries"])
    assert failures(result) == ["diary.pages has no published partition mon; materialise it first"]
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_a_missing_delivery_is_told_in_one_line(bench: Workbench) -> None:
    land(bench, "mon", **MONDAY)
    bench.instance.add_dynamic_partitions("day", ["tue"])
    (told,) = failures(bench.run("tue"))
    assert told.startswith("Nothing has landed for day tue: expected ")


def test_a_broken_promise_keeps_the_last_good_partition(bench: Workbench) -> None:
    land(bench, "mon", one="ada: hello\n")
    bench.run("mon")
    good = bench.content("diary.entries")
    land(bench, "mon", one="eve: hello\n")
    result = bench.run("mon")
    assert failures(result) == [
        "diary.entries is not published, its audit failed: who_isin (1 rows)"
    ]
    assert bench.content("diary.entries") == good
    failed = {e.check_name for e in result.get_asset_check_evaluations() if not e.passed}
    assert failed == {"who_isin"}
    assert not result.asset_materializations_for_node("diary__entries")


def test_a_warning_publishes_and_shows_examples(bench: Workbench) -> None:
    land(bench, "mon", one="bob: no\n")
    result = bench.run("mon")
    assert result.success
    (brief,) = (e for e in result.get_asset_check_evaluations() if not e.passed)
    assert (brief.check_name, brief.severity) == ("nobody_is_brief", dg.AssetCheckSeverity.WARN)
    assert brief.metadata["failed_rows"].value == 1


def test_what_is_read_is_one_snapshot(bench: Workbench) -> None:
    land(bench, "mon", **MONDAY)
    bench.run("mon")
    state = bench.lake.read(bench.tables["diary.entries"])
    bench.run("mon")
    assert all(Path(file).exists() for file in state.files)
