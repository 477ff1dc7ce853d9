"""`query` and `tables`: the past, limits of rows and time, lists of tables, and wide rows."""

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline_assets.command.cli import cli
from pipeline_assets.command.console import show
from pipeline_assets.command.session import Session
from pipeline_assets.errors import PipelineError
from pipeline_assets.reading.query import Answer
from pipeline_assets.settings import Settings
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, publish

Run = Callable[..., Result]
ALL = "FROM music.plays"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two publishes of one table: a day of ada's, then one of bob's."""
    folder = tmp_path_factory.mktemp("lake")
    publish(local_lake(folder), {"mon": {"ada": 3}})
    publish(local_lake(folder), {"tue": {"bob": 5}})
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    settings = Settings(lake_uri=str(folder))

    def words(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, obj=Session(settings), catch_exceptions=True)

    return words


def rows(result: Result) -> list[list[str]]:
    return list(csv.reader(io.StringIO(result.stdout)))[1:]


def refusal(result: Result) -> str:
    assert isinstance(result.exception, PipelineError)
    return str(result.exception)


def test_a_snapshot_is_read_as_it_was(run: Run, folder: Path) -> None:
    first, second = local_lake(folder).history(PLAYS)
    old = run("query", ALL, "--format", "csv", "--snapshot", str(first.snapshot_id))
    assert rows(old) == [["ada", "3", "mon"]]
    moment = second.committed_at.isoformat()
    assert len(rows(run("query", ALL, "--format", "csv", "--as-of", moment))) == 2


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--as-of", "2020-01-01", "The history of music.plays begins at"),
        ("--as-of", "noon", "'noon' is no moment, such as 2024-05-01T12:00"),
        ("--snapshot", "3", "music.plays has no snapshot 3; its last ones are"),
    ],
)
def test_a_past_that_is_not_there_is_told(run: Run, option: str, value: str, told: str) -> None:
    assert told in refusal(run("query", ALL, option, value))


def test_rows_that_are_left_out_are_told(run: Run) -> None:
    cut = run("query", ALL, "--format", "csv", "--limit", "1")
    assert len(rows(cut)) == 1
    assert cut.stderr == "note: rows after the first 1 are left out; see --limit\n"
    whole = run("query", ALL, "--format", "csv", "--limit", "2")
    assert len(rows(whole)) == 2
    assert whole.stderr == ""


def test_a_statement_ends_at_its_time_limit(run: Run) -> None:
    endless = "SELECT count(*) FROM range(10_000_000_000_000)"
    assert refusal(run("query", endless, "--timeout", "0.2")) == "It took longer than 0.2 seconds"


@pytest.mark.parametrize("sql", ["show tables", "SHOW ALL TABLES;"])
def test_all_tables_are_listed(run: Run, sql: str) -> None:
    assert rows(run("query", sql, "--format", "csv")) == [["music.plays"]]


@pytest.mark.parametrize("sql", ["describe music.plays", "summarize music.plays"])
def test_columns_are_described(run: Run, sql: str) -> None:
    described = rows(run("query", sql, "--format", "csv"))
    assert [row[0] for row in described] == ["listener", "plays", "day"]


def test_tables_tells_what_is_published(run: Run, folder: Path) -> None:
    last = local_lake(folder).history(PLAYS)[-1]
    told = rows(run("tables", "--format", "csv"))
    when = f"{last.committed_at:%Y-%m-%d %H:%M:%S}"
    assert told == [["music.plays", "2", "2", when]]


def test_a_pipe_cuts_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    wide = "x" * 500
    show(Answer(("a", "b"), iter([(wide, wide)])), "table")
    assert capsys.readouterr().out.count(wide) == 2


def test_rows_wider_than_a_terminal_are_shown_as_records(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    answer: list[tuple[Any, ...]] = [("x" * 30, 1), ("y" * 30, 2)]
    show(Answer(("name", "number"), iter(answer)), "table")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["-- row 1", f"name    {'x' * 30}", "number  1"]
    assert lines[3] == "-- row 2"


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").stdout.startswith("pipeline-assets, version ")
