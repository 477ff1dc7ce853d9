from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import ibis.expr.types as ir
import pytest

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.inputs import InputSpec
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.cleaning import clean
from pipeline_assets.iceberg.upkeep.tags import tag
from pipeline_assets.reading.open_lake import open_lake
from pipeline_assets.reading.release import open_release, tag_of
from pipeline_assets.releases.consistency import contradictions
from pipeline_assets.releases.releases import Releases, differences
from pipeline_assets.storage.objects import LocalStore
from pipeline_assets_tests.landing.plays import PLAYS, content, local_lake, publish, record

A_YEAR_LATER = datetime.max.replace(tzinfo=UTC)
"""Whatever is not kept on purpose has expired by then."""
STORE = LocalStore()


def nothing(plays: ir.Table) -> ir.Table:
    return plays


ASSET = LakeAsset("expression", PLAYS, nothing, ())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path / "lake")


@pytest.fixture
def releases(lake: Lake) -> Releases:
    return Releases(lake, STORE)


def cleaned(lake: Lake) -> None:
    """Condemn, then remove."""
    for _ in range(2):
        (found,) = clean(lake, STORE, [PLAYS], A_YEAR_LATER)
        assert found.problem is None


def released_rows(lake: Lake, name: str) -> list[dict[str, object]]:
    with open_lake(lake.access.warehouse) as opened:
        table = open_release(opened, name).table(opened, str(PLAYS))
        rows: list[dict[str, object]] = table.to_arrow().sort_by("day").to_pylist()
        return rows


def test_a_release_reads_the_same_a_year_later(lake: Lake, releases: Releases) -> None:
    publish(lake, {"mon": {"ada": 1}, "tue": {"ada": 2}})
    made = releases.create("spring", [ASSET])
    then = released_rows(lake, "spring")
    publish(lake, {"mon": {"ada": 7}})
    publish(lake, {"mon": {"ada": 8}, "tue": {}})
    cleaned(lake)
    assert releases.names() == ["spring"]
    assert releases.read("spring") == made
    assert released_rows(lake, "spring") == then
    assert content(lake) == {"mon": {"ada": 8}}


def test_a_deleted_release_lets_its_files_go(lake: Lake, releases: Releases) -> None:
    publish(lake, {"mon": {"ada": 1}})
    old = lake.read(PLAYS).files
    releases.create("spring", [ASSET])
    publish(lake, {"mon": {"ada": 2}})
    cleaned(lake)
    assert all(Path(file).exists() for file in old)
    assert releases.delete("spring", [PLAYS]) == 1
    cleaned(lake)
    assert not any(Path(file).exists() for file in old)
    assert content(lake) == {"mon": {"ada": 2}}
    with pytest.raises(PipelineError, match="There is no release spring; there are none yet"):
        releases.delete("spring", [PLAYS])


def test_what_a_killed_attempt_has_left_is_taken_over_or_deleted(
    lake: Lake, releases: Releases
) -> None:
    """It has tagged a table and written no manifest."""
    first = publish(lake, {"mon": {"ada": 1}})
    tag(lake, PLAYS, tag_of("spring"), first)
    publish(lake, {"mon": {"ada": 2}})
    releases.create("spring", [ASSET])
    assert [row["plays"] for row in released_rows(lake, "spring")] == [2]
    tag(lake, PLAYS, tag_of("summer"), first)
    assert releases.delete("summer", [PLAYS]) == 1


@pytest.mark.parametrize("name", ["", "Spring", "../spring", "a/b", "-x", "x" * 64])
def test_a_name_that_is_none_is_refused(lake: Lake, releases: Releases, name: str) -> None:
    publish(lake, {"mon": {"ada": 1}})
    with pytest.raises(PipelineError, match="is no name of a release"):
        releases.create(name, [ASSET])
    assert releases.names() == []


def test_a_name_is_given_once_and_only_to_what_is_published(lake: Lake, releases: Releases) -> None:
    with pytest.raises(PipelineError, match="was never published"):
        releases.create("spring", [ASSET])
    publish(lake, {"mon": {"ada": 1}})
    releases.create("spring", [ASSET])
    with pytest.raises(PipelineError, match="There is a release spring"):
        releases.create("spring", [ASSET])


def test_two_releases_are_compared_partition_by_partition(lake: Lake, releases: Releases) -> None:
    publish(lake, {"mon": {"ada": 1}, "tue": {"ada": 2}}, "v1")
    before = releases.create("spring", [ASSET])
    publish(lake, {"mon": {"ada": 1, "bob": 2}, "wed": {"ada": 1}}, "v2")
    after = releases.create("summer", [ASSET])
    assert list(differences(before, before)) == []
    found = list(differences(before, after))
    assert [line.partition(":")[0] for line in found] == [f"{PLAYS}[mon]", f"{PLAYS}[wed]"]
    assert found[0].endswith("computed from other inputs")
    assert after.tables[str(PLAYS)].checksum != before.tables[str(PLAYS)].checksum


def test_tables_that_were_computed_from_others_do_not_belong_together() -> None:
    upstream = LakeAsset("expression", LakeTable("shop", "sales", PLAYS.contract), nothing, ())
    spec = InputSpec("sales", dg.AssetKey(["shop", "sales"]), "table")
    report = LakeAsset("expression", LakeTable("shop", "report", PLAYS.contract), nothing, (spec,))
    sales = {"mon": record("v2")}
    made = record("r1")
    stale = {"mon": type(made)(**{**vars(made), "inputs": {"sales": "v1"}})}
    current = {"mon": type(made)(**{**vars(made), "inputs": {"sales": "v2"}})}
    both = [upstream, report]
    found = contradictions(both, {"shop/sales": sales, "shop/report": stale})
    assert list(found) == ["shop.report[mon] was computed from another shop/sales"]
    assert list(contradictions(both, {"shop/sales": sales, "shop/report": current})) == []
