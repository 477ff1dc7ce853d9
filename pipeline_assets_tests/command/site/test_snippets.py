"""Snippets of all pages: executed by a test, or parsed, and then the reason stands here.

Commands are parsed, by click or by a shell: many of them install, deploy, or need an account.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.command.cli import cli
from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.domains.music.contracts import ArtistRankInCountry
from pipeline_assets_tests.landing.plays import local_lake, record

ROOT = Path(__file__).parents[3]
PAGES = [
    "README.md",
    "deploy/README.md",
    *(f"docs/{it.name}" for it in (ROOT / "docs").glob("*.md")),
]
EXECUTED = {
    "README.md": "pipeline_assets_tests/test_readme.py",
    "docs/reading.md": "pipeline_assets_tests/reading/test_docs.py",
    "docs/quickstart.md": "below",
}
"""Pages whose Python a test executes, and which."""
PARSED = {
    "docs/aws_services.md": "its recipe is run by pipeline_assets_tests/examples",
    "docs/keys.md": "it needs a DynamoDB; tests of keys/ read what they have published by key",
    "docs/serving.md": "it needs a server with a token; the tests of the catalog ask one",
    "docs/training.md": "it needs training sets, which take minutes; tests of batches read some",
}
"""Pages whose Python is only parsed, and why; so is that of pages unknown to mkdocs.yml."""


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


def commands() -> Iterator[tuple[str, str]]:
    """Each line that calls the command, in a block of shell or an indented one."""
    for page in PAGES:
        text = "\n".join(
            [*blocks(page, "sh"), *re.findall(r"^ {4}.+$", (ROOT / page).read_text(), re.M)]
        )
        for line in text.splitlines():
            for part in re.split(r" && ", line):
                word, _, rest = part.strip().partition(" ")
                if word.endswith("pipeline-assets") and "=" not in word:
                    yield page, rest


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_every_python_snippet_parses(page: str) -> None:
    for block in blocks(page, "python"):
        compile(block, page, "exec")


def test_every_page_that_the_site_names_is_executed_or_has_a_reason() -> None:
    named = (ROOT / "mkdocs.yml").read_text()
    ours = {page for page in WITH_PYTHON if page == "README.md" or page[5:] in named}
    assert ours == EXECUTED.keys() | PARSED.keys()


@pytest.mark.parametrize("page", PAGES)
def test_every_shell_snippet_parses(page: str) -> None:
    shell = shutil.which("bash")
    assert shell is not None
    for block in blocks(page, "sh"):
        told = subprocess.run(
            [shell, "-n"], input=block, capture_output=True, text=True, check=False
        )
        assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_every_command_of_the_pages_exists_with_its_options(page: str, line: str) -> None:
    command: click.Command = cli
    words = shlex.split(line.partition(" > ")[0], comments=True)
    while isinstance(command, click.Group):
        assert words[0] in command.commands, page
        command = command.commands[words.pop(0)]
    known = {name for each in command.params for name in each.opts} | {"--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, page


def test_the_quickstarts_python_runs(tmp_path: Path) -> None:
    lake = local_lake(tmp_path / "lake")
    ranks = LakeTable(
        "music", "artist_rank_in_country", TableContract.of(ArtistRankInCountry), "snapshot"
    )
    file = tmp_path / "lake" / "music" / "artist_rank_in_country" / "data" / "a" / "0.parquet"
    file.parent.mkdir(parents=True)
    rows = {
        "country": ["Poland"],
        "artist_name": ["Ada"],
        "total_playcount": [3.0],
        "rank": [1],
        "snapshot": ["2026-01-01"],
    }
    pq.write_table(pa.table(rows, schema=lake.arrow_schema(ranks)), file)
    lake.publish(ranks, [str(file)], {"2026-01-01": record()})
    (snippet,) = blocks("docs/quickstart.md", "python")
    told = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert "Poland" in told.stdout
