"""A project of one's own, as a new user makes it."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.definitions import assets_for, build_definitions
from pipeline_assets.errors import PipelineError
from pipeline_assets.settings import Settings


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, obj=Session(), catch_exceptions=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my lake"
    assert run("init", str(folder)).exit_code == 0
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in [name for name in sys.modules if name.startswith("lake_domains")]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def test_a_new_domain_stands_beside_ours_and_its_test_passes(project: Path) -> None:
    sample = project / "tags.jsonl"
    sample.write_text('{"tag": "rock", "plays": 3}\nno json\n{"tag": "pop", "plays": 4}\n')
    told = run("new", "tags", "--from", str(sample))
    assert "tags.jsonl has 2 columns: tag text, plays whole" in told.output
    assert [path.name for path in (project / "landing" / "tags").rglob("*.jsonl")] == [sample.name]

    settings = Settings.from_environment()
    assert build_definitions(settings)
    names = {asset.name for asset in assets_for(settings)}
    assert {"tags/records", "tags/rejected_rows", "visits/records", "taobao/raw_files"} <= names
    passed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_tags.py"],
        cwd=project,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert passed.returncode == 0, passed.stdout


def test_records_and_rejected_rows_are_published_from_the_first_update(project: Path) -> None:
    sample = project / "tags.csv"
    sample.write_text("tag,plays\n" + "rock,3\n" * 99 + "pop,?\n")
    assert run("new", "tags", "--from", str(sample)).exit_code == 0
    updated = run("update", "--select", "group:tags")
    assert updated.exit_code == 0, updated.output
    sql = "select (select count(*) from tags.records), reason, raw from tags.rejected_rows"
    assert run("query", sql, "--format", "csv").output.splitlines()[1] == "99,bad_plays,pop\t?"


def test_nothing_is_written_over(project: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="exists already"):
        run("init", str(project))
    sample = tmp_path / "visits.csv"
    sample.write_text("a\n1\n")
    with pytest.raises(PipelineError, match="There is a domain visits already"):
        run("new", "visits", "--from", str(sample))
    with pytest.raises(PipelineError, match="cannot name a domain"):
        run("new", "My-Domain", "--from", str(sample))


def test_without_a_project_the_line_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(PipelineError, match="pipeline-assets init DIR"):
        run("new", "mine", "--from", "a.csv")


def test_a_package_of_domains_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match="There is no package nowhere_here of domains"):
        assets_for(Settings(domains=("nowhere_here",)))
