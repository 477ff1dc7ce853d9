"""Who reads a lake at one moment loads each table once, and sees what was published by then."""

from collections import Counter
from pathlib import Path

import pytest

from pipeline_assets.dataset.values.table import TableName
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg import moment
from pipeline_assets.iceberg.agreement import load
from pipeline_assets.iceberg.moment import Moment
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.verification import damaged_manifests
from pipeline_assets_tests.landing.plays import ALL_PLAYS, PLAYS, local_lake, publish


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path)
    publish(lake, {"mon": {"ada": 3}})
    return lake


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each table was asked of the catalog."""
    count: Counter[str] = Counter()

    def counted(access: object, table: object, *reader: object) -> object:
        count[str(table)] += 1
        return load(access, table, *reader)  # type: ignore[arg-type]

    monkeypatch.setattr(moment, "load", counted)
    return count


def test_a_table_is_loaded_once_whatever_is_asked_of_it(lake: Lake, loads: Counter[str]) -> None:
    now = Moment(lake.access)
    now.require_newest([PLAYS, ALL_PLAYS])
    for table in (PLAYS, ALL_PLAYS):
        assert now.records(table) == lake.records(table)
        assert now.history(table) == lake.history(table)
        assert now.read(table) == lake.read(table)
    assert not list(damaged_manifests(now, [PLAYS, ALL_PLAYS]))
    assert loads == {"music.plays": 1, "music.all_plays": 1}


def test_what_is_published_later_is_of_another_moment(lake: Lake) -> None:
    before = Moment(lake.access)
    assert set(before.records(PLAYS)) == {"mon"}
    publish(lake, {"tue": {"bob": 1}})
    assert set(before.records(PLAYS)) == {"mon"}
    assert set(Moment(lake.access).records(PLAYS)) == {"mon", "tue"}


def test_the_tables_are_those_that_the_catalog_itself_lists(lake: Lake) -> None:
    publish(lake, {"": {"ada": 3}}, table=ALL_PLAYS)
    for namespaces in (None, {"music"}, {"films"}):
        listed = Moment(lake.access).published(namespaces)
        assert sorted(map(str, listed)) == sorted(map(str, lake.published(namespaces)))
    assert Moment(lake.access).published({"films"}) == []


def test_an_old_catalog_is_noticed(lake: Lake, tmp_path: Path) -> None:
    saved = (tmp_path / "catalog.db").read_bytes()
    for day in ("tue", "wed", "thu"):
        publish(lake, {day: {"bob": 1}})
    (tmp_path / "catalog.db").write_bytes(saved)
    now = Moment(lake.access)
    with pytest.raises(PipelineError, match=r"knows commit 1 of music\.plays.* recover"):
        now.require_newest([PLAYS])


def test_a_table_that_the_catalog_has_lost_is_noticed(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "catalog.db").unlink()
    with pytest.raises(PipelineError, match=r"does not know music\.plays.* recover"):
        Moment(lake.access).records(TableName("music", "plays"))
