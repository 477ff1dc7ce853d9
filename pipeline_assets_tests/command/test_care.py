"""The commands that keep a lake sound, as people type them."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.settings import Settings
from pipeline_assets_tests.domains.ratings.world import World

BOOKS = [{"customer_id": f"C{n % 5}", "product_id": "B1", "star_rating": 3} for n in range(25)]


@pytest.fixture
def world(settings: Settings, instance: object) -> World:
    """A lake with the reviews of books."""
    world = World(settings, instance)  # type: ignore[arg-type]
    world.land("Books", *BOOKS)
    assert world.update().failures == ()
    return world


def said(settings: Settings, *words: str) -> Result:
    return CliRunner().invoke(cli, words, obj=Session(settings))


def files(settings: Settings) -> list[Path]:
    return sorted(path for path in Path(settings.lake_uri).rglob("*") if path.is_file())


@pytest.mark.parametrize("hours", ["-5", "nan", "inf", "-inf", "0", "1", "1e300", "soon"])
def test_hours_that_are_none_or_too_few_are_refused_in_one_line(
    settings: Settings, hours: str
) -> None:
    result = said(settings, "clean", "--older-than", hours)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: Invalid value for '--older-than'")


def test_without_the_catalog_nothing_is_removed_and_nothing_answered(world: World) -> None:
    Path(world.settings.lake_uri, "catalog.db").unlink()
    before = files(world.settings)
    cleaned = said(world.settings, "clean")
    assert cleaned.exit_code == 1
    assert "does not know ratings.reviews" in cleaned.stderr
    assert "run: pipeline-assets recover" in cleaned.stderr
    queried = said(world.settings, "query", "select count(*) from ratings.reviews")
    assert "run: pipeline-assets recover" in str(queried.exception)
    assert [path for path in files(world.settings) if path.name != "catalog.db"] == before


def test_a_dry_run_says_what_would_be_done(world: World) -> None:
    before = files(world.settings)
    result = said(world.settings, "clean", "--dry-run")
    assert result.exit_code == 0
    assert "would be: ratings.reviews" in result.stdout
    assert files(world.settings) == before
