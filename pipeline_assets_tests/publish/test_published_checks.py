"""A changed check is evaluated on what is published, and nothing is computed anew."""

from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import ibis.expr.types as ir
import pytest

from pipeline_assets.command.batches import batches
from pipeline_assets.command.tables.audit import audited_again
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset, check
from pipeline_assets.dataset.contract import Check
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.assets import PAGES, entries, letters, nobody_is_brief, pages
from pipeline_assets_tests.diary.bench import diary, land
from pipeline_assets_tests.workbench import Workbench

Bench = Callable[[LakeAsset], Workbench]


@check("error")
def everybody_is_ada(entries: ir.Table) -> ir.Table:
    """Only Ada writes."""
    return entries.filter(entries.who != "ada")


@check("error")
def nobody_writes_much(entries: ir.Table) -> ir.Table:
    """Nobody writes more than ten letters."""
    return entries.filter(entries.letters > 10)


def checked(*checks: Check) -> LakeAsset:
    return replace(entries, checks=(*entries.checks, *checks))


@pytest.fixture
def bench(settings: Settings, instance: dg.DagsterInstance) -> Bench:
    """The same lake, as often as somebody declares other checks."""

    def make(asset: LakeAsset) -> Workbench:
        return replace(diary(settings, (pages, asset, letters)), instance=instance)

    for day in ("mon", "tue"):
        land(make(entries), day, first="ada: abc\nbob: abcdef\n")
    update(make(entries))
    return make


def updater(bench: Workbench) -> Updater:
    return Updater(
        bench.assets, [PAGES], bench.deployment, bench.instance, definitions=bench.definitions
    )


def update(bench: Workbench) -> list[str]:
    found = updater(bench)
    stale = found.stale(found.listings())
    assert not [line for outcome in found.run(batches(stale)) for line in outcome.failures]
    return [item.asset.table.name for item in stale]


def test_a_changed_check_makes_nothing_stale_and_is_audited_once(bench: Bench) -> None:
    here = bench(checked(nobody_writes_much))
    snapshots = here.lake.history(entries.table)
    assert update(here) == []
    changed = updater(here).unaudited()
    assert [asset.name for asset in changed] == ["diary/entries"]
    assert list(audited_again(updater(here), changed)) == []
    assert updater(here).unaudited() == []
    assert here.lake.history(entries.table) == snapshots, "no snapshot was published"


def test_what_is_published_and_breaks_a_new_promise_is_told_until_it_is_mended(
    bench: Bench,
) -> None:
    here = bench(checked(everybody_is_ada))
    changed = updater(here).unaudited()
    told = ["diary.entries: what is published fails everybody_is_ada: Only Ada writes."]
    assert list(audited_again(updater(here), changed)) == told
    assert updater(here).unaudited() == changed


def test_a_changed_severity_is_another_promise(bench: Bench) -> None:
    strict = replace(nobody_is_brief, severity="error")
    here = bench(replace(entries, checks=(strict, *entries.checks[1:])))
    assert [asset.name for asset in updater(here).unaudited()] == ["diary/entries"]


def test_a_partition_whose_input_is_new_is_left_to_the_update(bench: Bench) -> None:
    here = bench(checked(nobody_writes_much))
    land(here, "mon", first="ada: abc\n")
    assert here.run("mon", only=["diary.pages"]).success
    results = {it.check_name: it for it in updater(here).audit(here.assets[1])}
    assert results["every_line_is_an_entry"].passed, "Monday's lines are not counted"
    records = here.lake.records(entries.table)
    assert records["mon"].audit != records["tue"].audit


def test_the_button_of_a_check_evaluates_it_on_what_is_published(bench: Bench) -> None:
    here = bench(checked(everybody_is_ada))
    job = here.definitions.resolve_implicit_global_asset_job_def()
    pressed = {dg.AssetCheckKey(entries.key, name) for name in ("everybody_is_ada", "like_before")}
    run = job.get_subset(asset_selection=set(), asset_check_selection=pressed).execute_in_process(
        instance=here.instance, raise_on_error=False
    )
    found = {it.check_name: it.passed for it in run.get_asset_check_evaluations()}
    assert found == {"everybody_is_ada": False, "like_before": True}
    assert run.asset_materializations_for_node("diary__entries") == []


@pytest.mark.parametrize("asset", [pages, letters])
def test_ingests_and_tables_without_partitions_are_audited_too(
    bench: Bench, asset: LakeAsset
) -> None:
    assert all(each.passed for each in updater(bench(entries)).audit(asset))
