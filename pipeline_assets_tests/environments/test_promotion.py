"""Promotion takes over what changed, in one commit for each table, or refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.environments import promotion
from pipeline_assets.environments.changes import changes
from pipeline_assets.environments.environments import Environments
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg import evolution
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.verification import verify
from pipeline_assets.profiles.profiles import ColumnProfile, append_profiles, published_profiles
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.environments.trying import (
    AFTER,
    ASSETS,
    BEFORE,
    TOTALS,
    both,
    change,
    files_of_production,
    promote,
    published_lake,
    rows,
)
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, publish, record, written

MOVED = "was published in production since dev_x was created"


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    """An environment `dev_x` in which Monday was changed."""
    environments = Environments(published_lake(tmp_path))
    environments.create("dev_x")
    change(environments.lake_in("dev_x"))
    return environments


def test_what_changed_is_promoted_in_one_commit_a_table_upstream_first(
    environments: Environments,
) -> None:
    lake, own = environments.lake, environments.lake_in("dev_x")
    done = promote(environments, "dev_x")
    assert [(str(it.asset.table), list(it.records)) for it in done] == [
        ("music.plays", ["mon"]),
        ("music.totals", ["mon"]),
    ]
    assert both(lake) == {"music.plays": AFTER, "music.totals": AFTER}
    assert [len(lake.history(table)) for table in (PLAYS, TOTALS)] == [2, 2]
    assert lake.records(PLAYS) == own.records(PLAYS)
    assert promote(environments, "dev_x") == []


def test_dropping_a_promoted_environment_keeps_what_was_promoted(
    environments: Environments, tmp_path: Path
) -> None:
    promote(environments, "dev_x")
    promoted = files_of_production(tmp_path)
    environments.drop("dev_x")
    assert files_of_production(tmp_path) == promoted
    assert both(environments.lake) == {"music.plays": AFTER, "music.totals": AFTER}


def test_an_environment_goes_on_after_it_was_promoted(environments: Environments) -> None:
    promote(environments, "dev_x")
    publish(environments.lake_in("dev_x"), {"tue": {"eve": 5}}, "v3")
    (done,) = promote(environments, "dev_x")
    assert list(done.records) == ["tue"]
    assert rows(environments.lake) == {**AFTER, "tue": {"eve": 5}}


def test_what_an_environment_removed_or_made_first_is_promoted_too(
    environments: Environments,
) -> None:
    own = environments.lake_in("dev_x")
    own.publish(PLAYS, [], {"tue": None})
    new = replace(ASSETS[0], table=replace(TOTALS, name="new"))
    publish(own, {"mon": {"ada": 1}}, table=new.table)
    lake = environments.lake
    found = promotion.Promotion(lake, own, environments.read("dev_x"))
    assert len(list(found.promote([new, *ASSETS]))) == 3
    assert rows(lake) == {"mon": AFTER["mon"]}
    assert rows(lake, new.table) == {"mon": {"ada": 1}}


def test_production_that_has_moved_refuses_before_anything_is_promoted(
    environments: Environments,
) -> None:
    publish(environments.lake, {"wed": {"ada": 3}}, "v9", TOTALS)
    with pytest.raises(PipelineError, match=rf"music\.totals {MOVED}"):
        promote(environments, "dev_x")
    assert both(environments.lake) == {
        "music.plays": BEFORE,
        "music.totals": {**BEFORE, "wed": {"ada": 3}},
    }


def test_of_two_environments_that_changed_the_same_table_one_is_refused(
    environments: Environments,
) -> None:
    environments.create("dev_y")
    publish(environments.lake_in("dev_y"), {"tue": {"eve": 1}}, "v7")
    promote(environments, "dev_x")
    with pytest.raises(PipelineError, match=r"music\.plays was published .* since dev_y was"):
        promote(environments, "dev_y")
    assert rows(environments.lake) == AFTER


def test_what_was_computed_from_replaced_partitions_is_refused(tmp_path: Path) -> None:
    environments = Environments(published_lake(tmp_path))
    environments.create("dev_x")
    change(environments.lake_in("dev_x"), [TOTALS])
    publish(environments.lake, {"wed": {"ada": 3}}, "v9")
    publish(environments.lake, {"mon": {"ada": 9}}, "v9")
    with pytest.raises(PipelineError, match=r"music\.plays\[mon\], which music\.totals reads, was"):
        promote(environments, "dev_x")
    assert rows(environments.lake, TOTALS) == BEFORE


def beside(lake: Lake, table: LakeTable) -> Callable[..., None]:
    """A step of a promotion, in which somebody else publishes the table for the first time."""
    done: list[int] = []
    real = evolution.follow

    def follow(*arguments: Any) -> None:  # noqa: ANN401 - of the real one
        if not done:
            done.append(publish(lake, {"wed": {"ada": 3}}, "v9", table))
        real(*arguments)

    return follow


def test_who_publishes_while_a_table_is_promoted_wins(
    environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at production and the commit: the catalog refuses, and so do we."""
    monkeypatch.setattr(promotion, "follow", beside(environments.lake, PLAYS))
    with pytest.raises(PipelineError, match=rf"music\.plays {MOVED}"):
        promote(environments, "dev_x")
    assert both(environments.lake) == {
        "music.plays": {**BEFORE, "wed": {"ada": 3}},
        "music.totals": BEFORE,
    }


def test_a_promotion_beside_a_publish_of_another_table_is_no_race(
    environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(PLAYS, name="other")
    monkeypatch.setattr(promotion, "follow", beside(environments.lake, other))
    assert len(promote(environments, "dev_x")) == 2
    assert rows(environments.lake, other) == {"wed": {"ada": 3}}


def test_statistics_are_promoted_with_the_rows(environments: Environments) -> None:
    own, lake = environments.lake_in("dev_x"), environments.lake
    profile = ColumnProfile("plays", None, rows=2, share=0.0, mean=4.0, deviation=4.2)
    append_profiles(own, PLAYS, {"mon": [profile]}, "run")
    promote(environments, "dev_x")
    assert published_profiles(lake, PLAYS, lake.records(PLAYS)) == {"mon": (profile,)}


def test_raw_text_beside_the_rows_is_promoted_with_its_checksums(
    environments: Environments,
) -> None:
    own = environments.lake_in("dev_x")
    folder = Path(own.read(PLAYS, ["mon"]).files[0]).parent
    (folder / "raw" / "mon").mkdir(parents=True)
    text = folder / "raw" / "mon" / "0"
    text.write_text("ada,7\n")
    sums = folder / "_checksums.json"
    sums.write_text(sums.read_text().replace('"crc32": {', '"crc32": {"raw/mon/0": [6, "00"], '))
    promote(environments, "dev_x")
    home = Path(environments.lake.location(PLAYS)) / "data" / folder.name
    assert (home / "raw" / "mon" / "0").read_text() == "ada,7\n"
    assert '"raw/mon/0": [6, "00"]' in (home / "_checksums.json").read_text()


def test_nothing_is_different_in_a_new_environment(environments: Environments) -> None:
    made = environments.create("dev_z")
    assert not list(changes(environments.lake, environments.lake_in("dev_z"), made, ASSETS))


def test_an_environment_on_s3_and_glue_is_created_promoted_and_dropped(
    tmp_path: Path, s3: S3Access, s3_store: S3Store, bucket: str, glue_lake: Lake
) -> None:
    lake = glue_lake

    def deliver(to: Lake, plays: int) -> str:
        (path,) = written(local_lake(tmp_path), {"mon": {"ada": plays}})
        uri = f"{to.location(PLAYS)}/data/{plays:032x}/0.parquet"
        s3_store.put(uri, Path(path).read_bytes())
        to.publish(PLAYS, [uri], {"mon": record(f"v{plays}")})
        return uri

    first = deliver(lake, 1)
    environments = Environments(lake)
    environments.create("dev_x")
    own = environments.lake_in("dev_x")
    assert own.read(PLAYS).files == lake.read(PLAYS).files == (first,)
    second = deliver(own, 2)
    assert lake.read(PLAYS).files == (first,)
    assert len(promote(environments, "dev_x")) == 1
    assert environments.drop("dev_x") == 1
    assert lake.read(PLAYS).files == (second.replace("/_environments/dev_x", ""),)
    assert verify(lake, PLAYS, deep=True).damages == ()
    assert list(s3_store.list(f"{bucket}/lake/_environments")) == []
    glue = boto3.client("glue", region_name=s3.region)
    assert [it["Name"] for it in glue.get_databases()["DatabaseList"]] == ["music"]
    glue.delete_database(Name="music")
