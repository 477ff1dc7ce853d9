"""The site builds without a broken link, needs no internet, and its pages are small."""

import logging
import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from pipeline_assets.definitions import DATASETS

ROOT = Path(__file__).parents[3]
LARGEST = 100_000
FETCHED = re.compile(r"<(?:script|img|link)[^>]*(?:src|href)=[\"']?(https?:[^\"' >]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; strict, so that a broken link or anchor is an error."""
    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder))
    config.plugins.on_startup(command="build", dirty=False)
    logging.getLogger("mkdocs").setLevel(logging.WARNING)
    build(config)
    return folder


def test_no_page_is_too_large(site: Path) -> None:
    sizes = {str(it.relative_to(site)): it.stat().st_size for it in site.rglob("*.html")}
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    found = {url for page in site.rglob("*.html") for url in FETCHED.findall(page.read_text())}
    assert found == set()


def test_every_dataset_has_a_page_with_its_columns(site: Path) -> None:
    for asset in DATASETS.assets:
        page = (site / "datasets" / f"{asset.name}.html").read_text()
        for column in asset.table.contract.columns:
            assert f'<code id="{column.name}">' in page, asset.name


def test_a_column_leads_to_the_columns_it_is_computed_from(site: Path) -> None:
    page = (site / "datasets" / "music" / "artist_rank_in_country.html").read_text()
    row = page.partition('<code id="total_playcount">')[2].partition("</tr>")[0]
    assert 'href="user_top_artists.html#playcount"' in row


def test_diagrams_and_benchmarks_are_drawn(site: Path) -> None:
    for page in ("architecture.html", "datasets/music/index.html", "benchmarks.html"):
        assert "<svg class=" in (site / page).read_text(), page
    assert not [page for page in site.rglob("*.html") if 'class="mermaid"' in page.read_text()]


def test_the_five_questions_are_answered_within_two_clicks(site: Path) -> None:
    index = (site / "index.html").read_text()
    answers = index.partition("Five questions")[2]
    for page in ("concepts", "comparison", "quickstart", "quickstart.html#your-own-data", "deploy"):
        assert f'href="{page}' in answers
