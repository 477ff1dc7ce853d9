"""The config of a partition lasts: what is declared, and what a run has asked for above it."""

from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import ibis.expr.types as ir
import pytest

from pipeline_assets.command.batches import batches
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset, lake_asset
from pipeline_assets.dataset.contract import Contract, Field, Long, String
from pipeline_assets.dataset.values.config import DeclaredConfig
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.assets import DAYS, DIARY, PAGES, entries, pages
from pipeline_assets_tests.diary.bench import diary, land
from pipeline_assets_tests.workbench import Workbench


class Long_(Contract):  # noqa: N801 - beside the type Long
    """One row per long entry of a day."""

    who: String = Field(description="Who wrote.")
    letters: Long = Field(description="How much.")
    day: String = Field(description="When.")


class LeastConfig(dg.Config):
    """What counts as long."""

    letters: int = 4
    of: str = "anybody"


@lake_asset(domain=DIARY, contract=Long_, partitions=DAYS)
def long_entries(entries: ir.Table, config: LeastConfig) -> ir.Table:
    """Entries that are long."""
    found = entries.select("who", "letters", "day").filter(entries.letters >= config.letters)
    return found if config.of == "anybody" else found.filter(found.who == config.of)


Bench = Callable[[DeclaredConfig], Workbench]
NOTHING = DeclaredConfig()


@pytest.fixture
def bench(settings: Settings, instance: dg.DagsterInstance) -> Bench:
    """The same lake, as often as somebody declares something else."""

    def make(declared: DeclaredConfig) -> Workbench:
        asset = replace(long_entries, declared=declared)
        return replace(diary(settings, (pages, entries, asset)), instance=instance)

    land(make(NOTHING), "monday", first="ada: abc\nada: abcde\nbob: abcdef\n")
    return make


def updater(bench: Workbench, *, keeps_overrides: bool = True) -> Updater:
    parts = (bench.assets, [PAGES], bench.deployment, bench.instance)
    return Updater(*parts, keeps_overrides, definitions=bench.definitions)


def update(bench: Workbench, *, keeps_overrides: bool = True) -> list[str]:
    """What was stale, and why; afterwards it is up to date."""
    found = updater(bench, keeps_overrides=keeps_overrides)
    stale = found.stale(found.listings())
    for outcome in found.run(batches(stale)):
        assert not outcome.failures
    return [f"{item.asset.table.name}: {item.reason}" for item in stale]


def launch(bench: Workbench, **config: object) -> None:
    """As the UI's launchpad does, with some fields of the config typed in."""
    result = bench.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=bench.instance,
        asset_selection=[long_entries.key],
        partition_key="monday",
        run_config={"ops": {"diary__long_entries": {"config": config}}},
    )
    assert result.success


def rows(bench: Workbench) -> list[int]:
    return [it for (it,) in bench.query("select letters from diary.long_entries order by 1")]


def test_what_a_run_asked_for_lasts_when_the_vendor_delivers_more(bench: Bench) -> None:
    here = bench(NOTHING)
    update(here)
    assert rows(here) == [5, 6]
    launch(here, letters=3)
    assert update(here) == []

    land(here, "monday", first="ada: abc\nada: abcde\nbob: abcdef\nada: abcd\n")
    update(here)
    assert rows(here) == [3, 4, 5, 6]
    record = here.lake.records(long_entries.table)["monday"]
    assert (record.config, record.override) == ({"letters": 3, "of": "anybody"}, {"letters": 3})


def test_a_changed_declaration_makes_just_what_it_touches_stale(bench: Bench) -> None:
    update(bench(NOTHING))
    declared = bench(DeclaredConfig({"letters": 6}))
    assert update(declared) == ["long_entries: its config changed: letters from 4 to 6"]
    assert rows(declared) == [6]
    assert update(bench(DeclaredConfig({"letters": 6}, {"tuesday": {"letters": 1}}))) == []


def test_a_partition_has_a_config_of_its_own(bench: Bench) -> None:
    here = bench(DeclaredConfig({"letters": 6}, {"monday": {"letters": 5}}))
    update(here)
    assert rows(here) == [5, 6]
    assert update(here) == []


def test_only_what_a_run_asked_for_outlasts_another_declaration(bench: Bench) -> None:
    here = bench(NOTHING)
    update(here)
    launch(here, of="ada")
    assert rows(here) == [5]
    after = bench(DeclaredConfig({"letters": 3}))
    assert update(after) == ["long_entries: its config changed: letters from 4 to 3"]
    assert rows(after) == [3, 5]


def test_a_run_that_asks_for_what_is_declared_ends_the_override(bench: Bench) -> None:
    here = bench(NOTHING)
    update(here)
    launch(here, letters=3)
    launch(here, letters=4)
    assert here.lake.records(long_entries.table)["monday"].override == {}


def test_an_update_with_the_declared_config_forgets_what_a_run_asked_for(bench: Bench) -> None:
    here = bench(NOTHING)
    update(here)
    launch(here, letters=3)
    reasons = update(here, keeps_overrides=False)
    assert reasons == ["long_entries: its config changed: letters from 3 to 4"]
    assert rows(here) == [5, 6]
    assert update(here, keeps_overrides=False) == []


def test_restored_rows_keep_the_config_that_made_them(bench: Bench) -> None:
    here = bench(NOTHING)
    update(here)
    launch(here, letters=3)
    first = here.lake.history(long_entries.table)[0].snapshot_id
    here.lake.restore(long_entries.table, first)
    assert update(here) == []
    assert rows(here) == [5, 6]


def test_the_launchpad_shows_what_is_declared(bench: Bench) -> None:
    definition = bench(DeclaredConfig({"letters": 6})).definitions.resolve_assets_def(
        long_entries.key
    )
    fields = definition.op.config_schema.config_type.fields  # type: ignore[union-attr]
    assert fields["letters"].default_value == 6
    shown = definition.metadata_by_key[long_entries.key]["declared_config"]
    assert shown.value == {"letters": 6, "of": "anybody"}


def test_the_table_and_the_page_say_what_a_run_asked_for(bench: Bench) -> None:
    here = bench(NOTHING)
    update(here)
    launch(here, letters=3)
    assert here.lake.records(long_entries.table)["monday"].override == {"letters": 3}
    event = here.instance.get_latest_materialization_event(long_entries.key)
    assert event
    assert event.asset_materialization
    assert event.asset_materialization.metadata["config_override"].value == {"letters": 3}


def one_a_run(asset: LakeAsset) -> int:
    return replace(asset, partitions_per_run=31).partitions_of_a_run


def test_a_run_materialises_one_partition_where_each_may_have_a_config_of_its_own() -> None:
    assert (one_a_run(long_entries), one_a_run(entries)) == (1, 31)
