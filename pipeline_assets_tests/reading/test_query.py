"""What a query says that cannot be answered, and that it may be explained."""

from pathlib import Path

import pytest

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.query import query
from pipeline_assets.settings import Settings
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, publish


def answer(folder: Path, sql: str) -> list[tuple[object, ...]]:
    lake = local_lake(folder)
    publish(lake, {"mon": {"ada": 3}})
    engine = EmbeddedEngine(memory_limit_mib=256, threads=1)
    with query(sql, lake, [PLAYS], engine) as found:
        return list(found.rows)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select * from music.play", "There is no table music.play; did you mean music.plays?"),
        ("select * from shop.orders", "There is no table shop.orders; there are music.plays"),
        ("select * from plays", "There is no table plays; write it as in music.users"),
        ("select listner from music.plays", "Candidate bindings:"),
        ("explain drop table music.plays", "query takes a single SELECT, or EXPLAIN and a SELECT"),
        ("drop table music.plays", "query takes a single SELECT, or EXPLAIN and a SELECT"),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_line_with_what_may_be_meant(
    tmp_path: Path, sql: str, told: str
) -> None:
    with pytest.raises(PipelineError) as refused:
        answer(tmp_path, sql)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_query_may_be_explained(tmp_path: Path) -> None:
    ((key, plan),) = answer(tmp_path, "EXPLAIN select sum(plays) from music.plays")
    assert key == "physical_plan"
    assert "AGGREGATE" in str(plan)


@pytest.mark.parametrize(
    "words",
    [
        ("query", "select 1"),
        ("history", "music.users"),
        ("profile", "music.users"),
        ("restore", "music.users", "--snapshot", "1"),
        ("missing",),
    ],
)
def test_another_folder_is_no_empty_lake_and_stays_as_it_is(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    places = {"lake_uri": str(tmp_path / "lake"), "landing_uri": str(tmp_path / "landing")}
    settings = Settings.model_validate({**places, "dagster_home": tmp_path / "dagster"})
    with pytest.raises(PipelineError, match=f"There is no lake in {tmp_path}/lake"):
        cli.main(words, obj=Session(settings), standalone_mode=False)
    assert list(tmp_path.iterdir()) == []
