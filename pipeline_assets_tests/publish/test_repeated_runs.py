"""A backfill that is started again, or a run that is tried again, makes only what is left."""

import dagster as dg
import pytest

from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.bench import diary, land
from pipeline_assets_tests.workbench import Workbench

BACKFILL = {"dagster/backfill": "b1"}
ENTRIES = dg.AssetKey(["diary", "entries"])


@pytest.fixture
def bench(settings: Settings) -> Workbench:
    bench = diary(settings)
    land(bench, "mon", one="ada: hello\nbob: no")
    assert bench.run("mon", tags=BACKFILL).success
    return bench


def publishes(bench: Workbench, name: str = "diary.entries") -> int:
    return len(bench.lake.history(bench.tables[name]))


@pytest.mark.parametrize("tags", [BACKFILL, {"pipeline/retry_of": "r1"}], ids=["backfill", "retry"])
def test_what_is_published_from_the_same_inputs_is_not_made_again(
    bench: Workbench, tags: dict[str, str]
) -> None:
    again = bench.run("mon", tags=tags)
    assert again.success
    assert publishes(bench) == publishes(bench, "diary.pages") == 1
    (event,) = again.asset_materializations_for_node("diary__entries")
    assert "already_published_by" in event.metadata


def test_its_checks_are_carried_over(bench: Workbench) -> None:
    before, after = (
        {
            each.check_name: (each.passed, each.severity)
            for each in run.get_asset_check_evaluations()
            if each.asset_key == ENTRIES
        }
        for run in (diary_run(bench), bench.run("mon", tags=BACKFILL))
    )
    assert before["nobody_is_brief"] == (False, dg.AssetCheckSeverity.WARN)
    assert after == before


def diary_run(bench: Workbench) -> dg.ExecuteInProcessResult:
    """A run that somebody asked for."""
    run = bench.run("mon")
    assert run.success
    return run


def test_what_somebody_asks_for_is_made(bench: Workbench) -> None:
    diary_run(bench)
    assert publishes(bench) == 2


def test_what_has_changed_is_made(bench: Workbench) -> None:
    land(bench, "mon", one="ada: hello again")
    assert bench.run("mon", tags=BACKFILL).success
    assert publishes(bench) == 2


def test_where_dagster_has_forgotten_the_run_it_is_made_again(bench: Workbench) -> None:
    for run in bench.instance.get_runs():
        bench.instance.delete_run(run.run_id)
    assert bench.run("mon", tags=BACKFILL).success
    assert publishes(bench) == 2
