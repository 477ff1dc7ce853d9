"""A lost, old or damaged catalog, and a moved lake."""

import shutil
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.recovery import Recovered, recover, set_damaged_aside
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.landing.plays import (
    ALL_PLAYS,
    PLAYS,
    content,
    local_lake,
    publish,
    record,
    written,
)

DAYS = {"mon": {"ada": 1}, "tue": {"ada": 2}}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path / "lake")
    publish(lake, DAYS, "v1")
    publish(lake, {"mon": {"bob": 7}}, "v2")
    publish(lake, {"mon": {"ada": 1}}, table=ALL_PLAYS)
    return lake


def catalog(lake: Lake) -> Path:
    return Path(lake.access.warehouse, "catalog.db")


def newest(lake: Lake, pattern: str) -> Path:
    folder = Path(lake.location(PLAYS), "metadata")
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns)


def recovered(lake: Lake) -> dict[str, Recovered]:
    return {table.name: table for table in recover(lake.access)}


@pytest.mark.parametrize("loss", ["deleted", "emptied", "overwritten"])
def test_every_table_comes_back_with_its_history(lake: Lake, loss: str) -> None:
    before, past = lake.read(PLAYS), lake.history(PLAYS)
    if loss == "deleted":
        catalog(lake).unlink()
    else:
        catalog(lake).write_bytes(b"" if loss == "emptied" else b"not a database" * 1000)
    aside = set_damaged_aside(lake.access)
    assert bool(aside and aside.exists()) == (loss == "overwritten")
    found = recovered(lake)
    assert found.keys() == {"music.plays", "music.all_plays"}
    assert all(table.is_changed and not table.losses for table in found.values())
    assert (lake.read(PLAYS), lake.history(PLAYS)) == (before, past)
    assert not any(table.is_changed for table in recovered(lake).values())
    publish(lake, {"wed": {"ada": 3}})
    assert set(content(lake)) == {"mon", "tue", "wed"}


def test_a_dry_run_registers_nothing(lake: Lake) -> None:
    catalog(lake).unlink()
    assert all(table.is_changed for table in recover(lake.access, is_dry=True))
    with pytest.raises(PipelineError, match="does not know"):
        lake.read(PLAYS)


def test_a_catalog_of_an_older_backup_learns_what_came_since(lake: Lake) -> None:
    backup = catalog(lake).read_bytes()
    publish(lake, {"wed": {"ada": 3}})
    publish(lake, {"thu": {"ada": 4}})
    catalog(lake).write_bytes(backup)
    found = recovered(lake)
    assert (found["music.plays"].is_changed, found["music.all_plays"].is_changed) == (True, False)
    assert set(content(lake)) == {"mon", "tue", "wed", "thu"}


def test_a_commit_that_lost_a_race_does_not_come_back(lake: Lake) -> None:
    """It left metadata of the same number as the one in force, and a later time."""
    loser = newest(lake, "00001-*.json").with_name(
        "00002-11111111-2222-4333-8444-555555555555.metadata.json"
    )
    shutil.copyfile(newest(lake, "00001-*.json"), loser)
    assert not any(table.is_changed for table in recovered(lake).values())
    assert content(lake)["mon"] == {"bob": 7}


@pytest.mark.parametrize("damaged", ["0*.metadata.json", "snap-*.avro", "*-m0.avro"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "deleted"])
def test_where_the_newest_metadata_is_damaged_the_one_before_is_in_force(
    lake: Lake, damaged: str, damage: str
) -> None:
    path = newest(lake, damaged)
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 0 if damage == "emptied" else 99])
    catalog(lake).unlink()
    found = recovered(lake)["music.plays"]
    if path.suffix == ".json" and damage == "deleted":
        assert found.losses == ()
    else:
        (loss,) = found.losses
        assert loss.startswith("commit 2 is lost:")
        assert path.name in loss
    assert content(lake) == DAYS
    publish(lake, {"wed": {"ada": 3}})
    assert set(content(lake)) == {"mon", "tue", "wed"}


@pytest.mark.parametrize("is_known", [True, False])
def test_a_table_whose_metadata_is_all_gone_is_told_and_can_be_published_anew(
    lake: Lake, is_known: bool
) -> None:
    for file in Path(lake.location(PLAYS), "metadata").glob("*.metadata.json"):
        file.unlink()
    if not is_known:
        catalog(lake).unlink()
    dry = {table.name: table for table in recover(lake.access, is_dry=True)}
    lost = recovered(lake)["music.plays"]
    assert dry["music.plays"] == lost
    (line,) = lost.losses
    assert f"no metadata lies in {lake.location(PLAYS)}/metadata any more" in line
    assert lake.records(PLAYS) == {}
    publish(lake, {"wed": {"ada": 3}})
    assert content(lake).keys() == {"wed"}
    assert not recovered(lake)["music.plays"].losses


def test_data_files_that_are_gone_are_named(lake: Lake) -> None:
    (gone, *_) = lake.read(PLAYS, ["tue"]).files
    Path(gone).unlink()
    catalog(lake).unlink()
    assert recovered(lake)["music.plays"].losses == (
        f"{gone} is missing or cut: pipeline-assets update --repair",
    )


@pytest.mark.parametrize("copied", [True, False])
def test_a_moved_lake_is_registered_at_its_new_place(
    lake: Lake, tmp_path: Path, copied: bool
) -> None:
    before, past = content(lake), [entry.snapshot_id for entry in lake.history(PLAYS)]
    place = shutil.copytree if copied else shutil.move
    place(lake.access.warehouse, tmp_path / "moved")
    moved = local_lake(tmp_path / "moved")
    with pytest.raises(PipelineError, match="pipeline-assets recover"):
        moved.read(PLAYS)
    assert "moved here from" in recovered(moved)["music.plays"].details
    assert not any(table.is_changed for table in recovered(moved).values())
    assert content(moved) == before
    assert [entry.snapshot_id for entry in moved.history(PLAYS)] == past
    assert all(Path(file).is_relative_to(tmp_path / "moved") for file in moved.read(PLAYS).files)
    moved.restore(PLAYS, past[0])
    assert content(moved) == DAYS
    if copied:
        assert content(lake) == before


def test_a_bucket_that_was_copied(
    tmp_path: Path, s3: S3Access, s3_store: S3Store, bucket: str
) -> None:
    first = Lake(CatalogAccess(sqlite_uri(tmp_path / "one.db"), f"{bucket}/one", s3))
    local = local_lake(tmp_path)
    for number, plays in enumerate((1, 2)):
        (path,) = written(local, {"mon": {"ada": plays}})
        uri = f"{first.location(PLAYS)}/data/{number:032x}/0.parquet"
        s3_store.put(uri, Path(path).read_bytes())
        first.publish(PLAYS, [uri], {"mon": record()})
    for item in list(s3_store.list(f"{bucket}/one")):
        with s3_store.open(item.uri) as stream:
            s3_store.put(item.uri.replace("/one/", "/two/"), stream.read())
    access = CatalogAccess(sqlite_uri(tmp_path / "two.db"), f"{bucket}/two", s3)
    second = replace(first, access=access)
    assert [table.losses for table in recover(access)] == [()]
    rows = [{"listener": "ada", "plays": 2, "day": "mon"}]
    assert second.rows(PLAYS, second.read(PLAYS)).to_pylist() == rows
    assert len(second.history(PLAYS)) == 2


def test_a_glue_catalog_that_lost_its_tables_gets_them_back(
    tmp_path: Path, s3: S3Access, s3_store: S3Store, glue_lake: Lake
) -> None:
    lake = glue_lake
    for number, plays in enumerate((1, 2)):
        (path,) = written(local_lake(tmp_path), {"mon": {"ada": plays}})
        uri = f"{lake.location(PLAYS)}/data/{number:032x}/0.parquet"
        s3_store.put(uri, Path(path).read_bytes())
        lake.publish(PLAYS, [uri], {"mon": record()})
    before, past = lake.read(PLAYS), lake.history(PLAYS)
    glue = boto3.client("glue", region_name=s3.region)
    glue.delete_database(Name="music")
    with pytest.raises(PipelineError, match=r"does not know music\.plays.*pipeline-assets recover"):
        lake.read(PLAYS)
    assert [(it.name, it.losses) for it in recover(lake.access)] == [("music.plays", ())]
    assert (lake.read(PLAYS), lake.history(PLAYS)) == (before, past)
    assert not any(table.is_changed for table in recover(lake.access))
    glue.delete_database(Name="music")
