"""A lake whose catalog is reached by REST: six publish at once, and nothing is lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline_assets.api_token import ApiToken
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.recovery import recover
from pipeline_assets_tests.iceberg.rest_double import served, url_of, writable
from pipeline_assets_tests.landing.plays import PLAYS, content, publish

PUBLISHERS = 6


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    behind = CatalogAccess(sqlite_uri(tmp_path / "behind.db"), str(tmp_path))
    with served(writable(behind, {})) as url:
        yield url_of(url, warehouse="lake")


def lake_at(url: str, folder: Path) -> Lake:
    """A lake with a connection of its own, as each process has one."""
    return Lake(CatalogAccess(url, str(folder)))


def test_what_is_published_can_be_read_and_restored(url: str, tmp_path: Path) -> None:
    lake = lake_at(url, tmp_path)
    publish(lake, {"mon": {"ada": 3}})
    publish(lake, {"mon": {"ada": 4}})
    assert content(lake) == {"mon": {"ada": 4}}
    lake.restore(PLAYS, lake.history(PLAYS)[0].snapshot_id)
    assert content(lake_at(url, tmp_path)) == {"mon": {"ada": 3}}
    (found,) = recover(lake.access)
    assert (found.is_changed, found.losses) == (False, ())


def test_six_that_publish_at_once_lose_nothing(url: str, tmp_path: Path) -> None:
    def days(publisher: int) -> None:
        lake = lake_at(url, tmp_path)
        for day in range(3):
            publish(lake, {f"{publisher}-{day}": {"ada": day}})

    with ThreadPoolExecutor(PUBLISHERS) as pool:
        list(pool.map(days, range(PUBLISHERS)))
    wanted = {f"{who}-{day}": {"ada": day} for who in range(PUBLISHERS) for day in range(3)}
    assert content(lake_at(url, tmp_path)) == wanted
    assert len(lake_at(url, tmp_path).history(PLAYS)) == PUBLISHERS * 3


def test_a_catalog_that_refuses_or_is_away_is_told_in_one_line(
    tmp_path: Path, closed_port: int
) -> None:
    away = lake_at(f"rest+http://127.0.0.1:{closed_port}?token=secret-token", tmp_path)
    with pytest.raises(PipelineError, match=r"Cannot read music\.plays: ") as refused:
        away.records(PLAYS)
    assert "secret-token" not in str(refused.value)

    behind = CatalogAccess(sqlite_uri(tmp_path / "behind.db"), str(tmp_path))
    with served(writable(behind, {"other": ApiToken(sha256="0" * 64)})) as url:
        stranger = lake_at(url_of(url, token="secret-token"), tmp_path)
        with pytest.raises(PipelineError, match=r"Cannot read music\.plays: ") as refused:
            stranger.records(PLAYS)
        assert "secret-token" not in str(refused.value)
