"""Environments are made without copying, share nothing that they could remove, and go again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline_assets.environments.environments import Environments, tag_of
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.cleaning import clean
from pipeline_assets.iceberg.upkeep.recovery import recover
from pipeline_assets.iceberg.upkeep.tags import tag
from pipeline_assets.reading.open_lake import open_lake
from pipeline_assets.storage.objects import LocalStore
from pipeline_assets_tests.environments.trying import (
    AFTER,
    BEFORE,
    TOTALS,
    both,
    change,
    files_of_production,
    published_lake,
    rows,
)
from pipeline_assets_tests.landing.plays import PLAYS, publish

A_YEAR_LATER = datetime.max.replace(tzinfo=UTC)
"""Whatever is not kept on purpose has expired by then."""


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(published_lake(tmp_path))


def cleaned(lake: Lake) -> None:
    """Condemn, then remove."""
    for _ in range(2):
        found = list(clean(lake, LocalStore(), [PLAYS, TOTALS], A_YEAR_LATER))
        assert [it.problem for it in found] == [None, None]


def test_a_clone_holds_the_same_rows_in_the_same_files(
    environments: Environments, tmp_path: Path
) -> None:
    before = files_of_production(tmp_path)
    made = environments.create("dev_x")
    own = environments.lake_in("dev_x")
    assert both(own) == both(environments.lake) == {"music.plays": BEFORE, "music.totals": BEFORE}
    assert own.read(PLAYS).files == environments.lake.read(PLAYS).files
    assert own.records(PLAYS) == environments.lake.records(PLAYS)
    assert not list((tmp_path / "_environments" / "dev_x").rglob("*.parquet"))
    assert files_of_production(tmp_path) == before
    assert environments.names() == ["dev_x"]
    assert environments.read("dev_x") == made


def test_what_is_published_in_an_environment_stays_there(
    environments: Environments, tmp_path: Path
) -> None:
    before = files_of_production(tmp_path)
    environments.create("dev_x")
    own = environments.lake_in("dev_x")
    change(own)
    assert rows(own) == AFTER
    assert both(environments.lake) == {"music.plays": BEFORE, "music.totals": BEFORE}
    assert files_of_production(tmp_path) == before
    iceberg = own.load(PLAYS)
    assert iceberg is not None
    # Iceberg removes old metadata that this log names: none of it may be production's.
    log = [entry.metadata_file for entry in iceberg.metadata.metadata_log]
    assert log
    assert all(uri.startswith(own.access.warehouse) for uri in log)
    own.restore(PLAYS, own.history(PLAYS)[0].snapshot_id)
    assert rows(own) == BEFORE


def test_each_lake_only_sees_its_own_tables(environments: Environments, tmp_path: Path) -> None:
    environments.create("dev_x")
    own = environments.lake_in("dev_x")
    publish(own, {"mon": {"ada": 1}}, table=replace(PLAYS, name="new"))
    assert list(map(str, environments.lake.published())) == ["music.plays", "music.totals"]
    assert list(map(str, own.published())) == ["music.new", "music.plays", "music.totals"]
    with open_lake(tmp_path / "_environments" / "dev_x") as opened:
        assert "music.new" in opened.tables()
        assert opened["music.plays"].to_arrow().num_rows == 2
    (*recovered,) = recover(environments.lake.access)
    assert [it.name for it in recovered] == ["music.plays", "music.totals"]
    assert not any(it.is_changed or it.losses for it in recovered)


def test_cleaning_an_environment_removes_nothing_of_production(
    environments: Environments, tmp_path: Path
) -> None:
    before = files_of_production(tmp_path)
    environments.create("dev_x")
    own = environments.lake_in("dev_x")
    change(own)
    change(own)
    cleaned(own)
    assert rows(own) == AFTER
    assert files_of_production(tmp_path) == before


def test_cleaning_production_keeps_what_a_clone_reads_until_that_is_dropped(
    environments: Environments,
) -> None:
    environments.create("dev_x")
    old = environments.lake.read(PLAYS).files
    publish(environments.lake, {"mon": {}, "tue": {}}, "v3")
    cleaned(environments.lake)
    assert rows(environments.lake_in("dev_x")) == BEFORE
    environments.drop("dev_x")
    cleaned(environments.lake)
    assert not any(Path(file).exists() for file in old)
    assert rows(environments.lake) == {}


def test_dropping_removes_all_of_an_environment_and_nothing_else(
    environments: Environments, tmp_path: Path
) -> None:
    before = files_of_production(tmp_path)
    environments.create("dev_x")
    environments.create("dev_y")
    change(environments.lake_in("dev_x"))
    assert environments.drop("dev_x") == 2
    assert environments.names() == ["dev_y"]
    assert not (tmp_path / "_environments" / "dev_x").exists()
    assert rows(environments.lake_in("dev_y")) == BEFORE
    assert files_of_production(tmp_path) == before
    iceberg = environments.lake.load(PLAYS)
    assert iceberg is not None
    assert set(iceberg.metadata.refs) == {"main", "env-dev_y"}


def test_a_table_that_is_left_out_or_was_never_published_has_no_clone(tmp_path: Path) -> None:
    lake = published_lake(tmp_path)
    lake.create(replace(PLAYS, name="empty"))
    environments = Environments(lake)
    assert list(environments.create("dev_x", ["music.totals"]).pinned) == ["music.plays"]
    assert list(map(str, environments.lake_in("dev_x").published())) == ["music.plays"]


@pytest.mark.parametrize("name", ["", "Dev", "dev-x", "dev__x", "dev_", "../x", "_manifests", "1x"])
def test_a_name_that_is_none_is_refused(environments: Environments, name: str) -> None:
    with pytest.raises(PipelineError, match="is no name of an environment"):
        environments.create(name)
    with pytest.raises(PipelineError, match="There is no environment"):
        environments.drop(name)


def test_a_name_is_given_once(environments: Environments) -> None:
    environments.create("dev_x")
    with pytest.raises(PipelineError, match="There is an environment dev_x"):
        environments.create("dev_x")
    with pytest.raises(PipelineError, match="There is no environment dev_y; there are dev_x"):
        environments.drop("dev_y")


def test_of_two_that_create_the_same_name_at_once_one_is_told(environments: Environments) -> None:
    def create(_: int) -> str:
        try:
            Environments(Lake(replace(environments.lake.access))).create("dev_x")
        except PipelineError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(create, range(2)))
    assert told[0] == ""
    assert "an environment dev_x" in told[1]
    assert rows(environments.lake_in("dev_x")) == BEFORE


def test_what_a_killed_command_has_left_is_dropped_before_the_name_is_free(
    environments: Environments,
) -> None:
    snapshot = environments.lake.read(PLAYS).snapshot_id
    assert snapshot is not None
    tag(environments.lake, PLAYS, tag_of("dev_x"), snapshot)
    with pytest.raises(PipelineError, match="env drop dev_x"):
        environments.create("dev_x")
    assert environments.drop("dev_x") == 0
    environments.create("dev_x")
