"""Runs through a REST catalog that chooses where tables lie."""

from pathlib import Path

from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets_tests.conftest import MakeSettings
from pipeline_assets_tests.diary.bench import diary, land
from pipeline_assets_tests.iceberg.rest_double import served, url_of, writable


def test_raw_text_and_the_tables_that_read_it_are_published_where_the_catalog_puts_them(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    behind = CatalogAccess(sqlite_uri(tmp_path / "behind.db"), str(tmp_path / "lake"))
    with served(writable(behind, {}, str(tmp_path / "places"))) as url:
        bench = diary(make_settings(catalog_uri=url_of(url)))
        for text in ("ada: hello\nbob: good day\n", "ada: hello again\n"):
            land(bench, "mon", one=text)
            assert bench.run("mon").success
        assert bench.query("SELECT count(*) FROM diary.entries") == [(1,)]
        published = [bench.tables[name] for name in ("diary.pages", "diary.entries")]
        homes = [Path(bench.lake.location(table)) for table in published]
    assert {home.parent for home in homes} == {tmp_path / "places"}
    assert not (tmp_path / "lake" / "diary").exists()
    assert [*(tmp_path / "places").glob("*/data/*/raw/**/*")]
