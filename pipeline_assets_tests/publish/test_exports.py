"""What becomes of a warehouse when a run that loads it ends badly: nothing."""

from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Event
from pathlib import Path

import dagster as dg
import ibis.expr.types as ir
import pytest

from pipeline_assets.dataset.asset import check
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.domains.warehouse.assets import warehouse_load
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg import growing_tables
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.publish.io_managers import LakeIOManager
from pipeline_assets.publish.staging import AlreadyPublished, Staged
from pipeline_assets.settings import Settings
from pipeline_assets_tests.diary.assets import ASSETS, entries
from pipeline_assets_tests.diary.bench import diary, land, resources
from pipeline_assets_tests.processes import killed_at_its_moment, wait_to_be_killed
from pipeline_assets_tests.workbench import Workbench, failures

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

LOAD = warehouse_load(entries)
LOADED = (*ASSETS, LOAD)
SUNNY = "ada: hello\nbob: good day\n"
RAINY = "ada: it rains\n"
Content = tuple[list[str], list[tuple[int]]]


@check("error")
def never_good_enough(loaded: ir.Table) -> ir.Table:
    """Nothing passes."""
    return loaded


@dataclass(frozen=True)
class StopsBeforeTheCommit(LakeIOManager):
    """Waits to be killed when the load is staged and its audit has passed."""

    moment: Event

    def handle_output(self, context: dg.OutputContext, staged: Staged | AlreadyPublished) -> None:
        if context.asset_key == LOAD.key:
            wait_to_be_killed(self.moment)
        super().handle_output(context, staged)


@pytest.fixture
def bench(tmp_path: Path, postgres_dsn: SecretDsn) -> Workbench:
    """A sunny Monday, in the lake and in the warehouse."""
    settings = Settings.model_validate(
        {
            "lake_uri": str(tmp_path / "lake"),
            "landing_uri": str(tmp_path / "landing"),
            "warehouse_dsn": postgres_dsn.reveal(),
            "memory_limit_mib": 512,
            "threads": 2,
        }
    )
    bench = diary(settings, LOADED)
    land(bench, "mon", page=SUNNY)
    assert failures(bench.run("mon")) == []
    return bench


def content(bench: Workbench) -> Content:
    """Whose entries the warehouse holds, and how many the lake says it does."""
    assert bench.settings.warehouse_dsn
    dsn = SecretDsn(bench.settings.warehouse_dsn.get_secret_value())
    with closing(connect(dsn)) as connection:
        found = execute(connection, dsn, "SELECT who FROM diary.entries ORDER BY line_number")
    return [row["who"] for row in found], bench.query("SELECT rows FROM warehouse.entries")


SUNNY_CONTENT: Content = (["ada", "bob"], [(2,)])
RAINY_CONTENT: Content = (["ada"], [(1,)])


def test_loading_twice_gives_the_same(bench: Workbench) -> None:
    assert failures(bench.run("mon")) == []
    assert content(bench) == SUNNY_CONTENT


def test_a_failed_audit_leaves_the_warehouse_as_it_was(bench: Workbench) -> None:
    land(bench, "mon", page=RAINY)
    strict = diary(bench.settings, (*ASSETS, replace(LOAD, checks=(never_good_enough,))))
    told = "warehouse.entries is not published, its audit failed: never_good_enough (1 rows)"
    strict.instance.add_dynamic_partitions("day", ["mon"])
    assert failures(strict.run("mon")) == [told]
    assert content(bench) == SUNNY_CONTENT
    assert failures(bench.run("mon")) == []
    assert content(bench) == RAINY_CONTENT


def test_a_publish_that_fails_before_the_commit_leaves_the_warehouse_as_it_was(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise PipelineError("Cannot append to lake.profiles: No space left on device")

    land(bench, "mon", page=RAINY)
    assert failures(bench.run("mon", only=["diary.pages", "diary.entries"])) == []
    with monkeypatch.context() as patched:
        patched.setattr(growing_tables, "append", full_disk)
        (told,) = failures(bench.run("mon", only=["warehouse.entries"]))
    assert told.startswith("Cannot append to lake.profiles")
    assert content(bench) == SUNNY_CONTENT
    assert failures(bench.run("mon", only=["warehouse.entries"])) == []
    assert content(bench) == RAINY_CONTENT


def load_until(settings: Settings, moment: Event) -> None:
    stops = StopsBeforeTheCommit(
        **vars(resources(settings, LOADED)["lake_io_manager"]), moment=moment
    )
    bench = diary(settings, LOADED, lake_io_manager=stops)
    bench.instance.add_dynamic_partitions("day", ["mon"])
    bench.run("mon")


def test_a_process_that_is_killed_before_the_commit_leaves_the_warehouse_as_it_was(
    bench: Workbench,
) -> None:
    land(bench, "mon", page=RAINY)
    killed_at_its_moment(load_until, bench.settings)
    assert content(bench) == SUNNY_CONTENT
    assert failures(bench.run("mon")) == []
    assert content(bench) == RAINY_CONTENT


def test_a_warehouse_that_is_ahead_of_its_listing_is_loaded_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Lake.publish

    def all_but_the_listing(lake: Lake, *args: object) -> int:
        if args[0] == LOAD.table:
            raise dg.Failure("killed", allow_retries=False)
        return publish(lake, *args)  # type: ignore[arg-type]

    land(bench, "mon", page=RAINY)
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "publish", all_but_the_listing)
        assert failures(bench.run("mon")) == ["killed"]
    assert content(bench) == (RAINY_CONTENT[0], SUNNY_CONTENT[1])
    assert failures(bench.run("mon")) == []
    assert content(bench) == RAINY_CONTENT
