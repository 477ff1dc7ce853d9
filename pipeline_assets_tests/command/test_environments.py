"""What the commands say where an environment is named that is none, or is not meant."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.errors import PipelineError
from pipeline_assets.settings import Settings
from pipeline_assets_tests.landing.plays import local_lake, publish


@pytest.fixture
def lake(settings: Settings) -> Settings:
    publish(local_lake(Path(settings.lake_uri)), {"mon": {"ada": 1}})
    return settings


def run(settings: Settings, *words: str) -> str:
    return CliRunner().invoke(cli, words, obj=Session(settings), catch_exceptions=False).output


@pytest.mark.parametrize("words", ["update", "missing", "query 'SELECT 1'", "clean", "verify"])
def test_an_environment_that_is_none_is_named(lake: Settings, words: str) -> None:
    run(lake, "env", "create", "dev_x")
    with pytest.raises(PipelineError, match="There is no environment dev_y; there are dev_x"):
        run(lake.within("dev_y"), *shlex.split(words))


@pytest.mark.parametrize("words", ["env list", "env drop dev_x", "recover", "backup to"])
def test_commands_for_the_lake_itself_are_refused_within(lake: Settings, words: str) -> None:
    with pytest.raises(PipelineError, match="unset PIPELINE_ENVIRONMENT, which is dev_x"):
        run(lake.within("dev_x"), *shlex.split(words))


def test_dropping_removes_the_dagster_home_of_the_environment_too(lake: Settings) -> None:
    run(lake, "env", "create", "dev_x")
    home = lake.within("dev_x").dagster_home
    home.mkdir(parents=True)
    (home / "dagster.yaml").touch()
    assert "dev_x is gone, with 1 tables" in run(lake, "env", "drop", "dev_x")
    assert not home.exists()
    assert run(lake, "env", "list") == ""
