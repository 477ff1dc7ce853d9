from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.bench import diary, land
from pipeline_assets_tests.workbench import Result, Workbench, failures

MONDAY = {"one": "ada: hello\nbob: good day\n", "two": "ada: what a day it is\n"}
RANGE = ("tue", "wed")
ODD_DAYS = ("größe", "a b", "x=1", "%2F", "it's", '"', "01", "null", "NULL")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """One lake for all; every test has days of its own."""
    folder = tmp_path_factory.mktemp("diary")
    small = {"memory_limit_mib": 512, "threads": 2}
    places = {"lake_uri": str(folder / "lake"), "landing_uri": str(folder / "landing")}
    return diary(Settings.model_validate({**places, **small}))


@pytest.fixture(scope="module")
def monday(bench: Workbench) -> Result:
    """The run that made Monday."""
    land(bench, "mon", **MONDAY)
    return bench.run("mon")


@pytest.fixture(scope="module")
def both_days(bench: Workbench) -> Result:
    """The run that made Tuesday and Wednesday."""
    land(bench, "tue", **MONDAY)
    land(bench, "wed", one="bob: no\n")
    return bench.run(*RANGE)


def entries(bench: Workbench, *days: str) -> list[tuple[Any, ...]]:
    chosen = ", ".join("'" + day.replace("'", "''") + "'" for day in days)
    return bench.query(f"SELECT * FROM diary.entries WHERE day IN ({chosen}) ORDER BY ALL")


def versions(bench: Workbench, *days: str) -> dict[tuple[str, str], tuple[str, int]]:
    records = {name: bench.lake.read(bench.tables[name], days).records for name in bench.tables}
    return {
        (name, day): (made.version, made.rows)
        for name, found in records.items()
        for day, made in found.items()
    }


def metadata(result: Result, name: str) -> Mapping[str, Any]:
    (event,) = result.asset_materializations_for_node(name)
    return {key: value.value for key, value in event.metadata.items()}


def test_a_partition_goes_from_landing_to_its_tables(bench: Workbench, monday: Result) -> None:
    assert failures(monday) == []
    assert entries(bench, "mon") == [
        ("one.txt", 1, "ada", 5, "mon"),
        ("one.txt", 2, "bob", 8, "mon"),
        ("two.txt", 1, "ada", 16, "mon"),
    ]


def test_a_run_tells_what_it_made(bench: Workbench, monday: Result) -> None:
    told, table = metadata(monday, "diary__entries"), bench.tables["diary.entries"]
    assert told["dagster/partition_row_count"] == 3
    assert int(told["snapshot_id"]) in [entry.snapshot_id for entry in bench.lake.history(table)]
    assert (told["dagster/table_name"], told["dagster/uri"]) == (
        "diary.entries",
        bench.lake.location(table),
    )
    assert told["files"] == len(bench.lake.read(table, ["mon"]).files)
    assert {row.data["letters"] for row in told["preview"].records} == {5, 8, 16}
    lineage = told["dagster/column_lineage"].deps_by_column
    assert lineage["letters"] == [
        dg.TableColumnDep(asset_key=dg.AssetKey(["diary", "pages"]), column_name="part_uri")
    ]


def test_running_again_replaces_and_does_not_add(bench: Workbench, monday: Result) -> None:
    assert monday.success
    before = entries(bench, "mon"), versions(bench, "mon")
    assert bench.run("mon").success
    assert (entries(bench, "mon"), versions(bench, "mon")) == before


def test_a_range_in_one_run_is_one_commit(bench: Workbench, both_days: Result) -> None:
    assert failures(both_days) == []
    snapshots = [entry.records for entry in bench.lake.history(bench.tables["diary.entries"])]
    assert [set(records) for records in snapshots if "tue" in records] == [set(RANGE)]
    events = both_days.asset_materializations_for_node("diary__entries")
    counts = {e.partition: e.metadata["dagster/partition_row_count"].value for e in events}
    assert counts == {"tue": 3, "wed": 1}


def test_a_range_in_one_run_is_what_single_runs_make(bench: Workbench, both_days: Result) -> None:
    assert both_days.success
    together = entries(bench, *RANGE), versions(bench, *RANGE)
    assert [failures(bench.run(day)) for day in RANGE] == [[], []]
    assert (entries(bench, *RANGE), versions(bench, *RANGE)) == together


def test_odd_keys_go_all_the_way(bench: Workbench) -> None:
    for day in ODD_DAYS:
        land(bench, day, one="ada: hello\n")
    assert failures(bench.run(*ODD_DAYS)) == []
    found = entries(bench, *ODD_DAYS)
    assert found == [("one.txt", 1, "ada", 5, day) for day in sorted(ODD_DAYS)]
    assert failures(bench.run("%2F", only=["diary.entries"])) == []
    assert entries(bench, *ODD_DAYS) == found


def test_a_table_without_partitions_is_made_from_all_of_them(bench: Workbench) -> None:
    sums = "SELECT who, CAST(sum(letters) AS BIGINT) FROM diary.entries GROUP BY who ORDER BY who"
    for text in ("ada: hello\n", "bob: good day\n"):
        land(bench, "thu", one=text)
        bench.run("thu")
        result = bench.run()
        assert failures(result) == []
        letters = bench.query("SELECT who, letters FROM diary.letters ORDER BY who")
        assert letters == bench.query(sums)
        assert metadata(result, "diary__letters")["dagster/row_count"] == len(letters)


def test_a_missing_upstream_partition_is_told_in_one_line_and_not_tried_again(
    bench: Workbench,
) -> None:
    land(bench, "fri", **MONDAY)
    result = bench.run("fri", only=["diary.entries"])
    assert failures(result) == ["diary.pages has no published partition fri; materialise it first"]
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_a_missing_delivery_is_told_in_one_line(bench: Workbench) -> None:
    bench.instance.add_dynamic_partitions("day", ["never"])
    (told,) = failures(bench.run("never"))
    assert told.startswith("Nothing has landed for day never: expected ")


def test_a_broken_promise_keeps_the_last_good_partition(bench: Workbench) -> None:
    land(bench, "sat", one="ada: hello\n")
    bench.run("sat")
    good = entries(bench, "sat")
    land(bench, "sat", one="eve: hello\n")
    result = bench.run("sat")
    told = "diary.entries is not published, its audit failed: who_isin (1 rows)"
    assert failures(result) == [told]
    assert entries(bench, "sat") == good
    (failed,) = (e for e in result.get_asset_check_evaluations() if not e.passed)
    assert failed.check_name == "contract"
    assert failed.description == "`who` is one of ada, bob (1 rows do not)"
    assert not result.asset_materializations_for_node("diary__entries")


def test_a_warning_publishes_and_shows_examples(bench: Workbench) -> None:
    land(bench, "sun", one="bob: no\n")
    result = bench.run("sun")
    assert result.success
    (brief,) = (e for e in result.get_asset_check_evaluations() if not e.passed)
    assert (brief.check_name, brief.severity) == ("nobody_is_brief", dg.AssetCheckSeverity.WARN)
    assert brief.metadata["failed_rows"].value == 1


def test_a_run_opens_the_catalog_once(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    connect = SqlCatalog.__init__

    def counting(self: SqlCatalog, name: str, **properties: str) -> None:
        opened.append(name)
        connect(self, name, **properties)

    fresh = diary(bench.settings)
    land(fresh, "once", **MONDAY)
    monkeypatch.setattr(SqlCatalog, "__init__", counting)
    assert failures(fresh.run("once")) == []
    assert len(opened) == 1
