"""docs/your_own_vendor.md, followed literally: files are written, commands typed, answers read."""

import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "your_own_vendor.md"
BLOCK = re.compile(r'^```(\w+)(?: title="(.*?)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
PROMPT = "$ "


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a block, each with the lines that it should print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *expected = part.splitlines()
        yield command, expected


def typed(command: str) -> str:
    """What a command prints; commands of ours run in this process, which is quicker."""
    program, *words = shlex.split(command)
    if program == "pipeline-assets":
        importlib.invalidate_caches()
        result = CliRunner().invoke(cli, words, obj=Session(), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout
    done = subprocess.run(
        [sys.executable, "-m", program, *words, "-p", "no:cacheprovider"],
        env={"PYTHONPATH": f"{ROOT}:.", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def says(printed: str, expected: list[str]) -> bool:
    """Whether the lines were printed; a line of `…` stands for any lines."""
    parts = [
        r"(.*\n)*" if it == "…" else f"{re.escape(it).replace('…', '.*')}\n" for it in expected
    ]
    return re.fullmatch("".join(parts), printed) is not None


def test_whoever_follows_the_guide_sees_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in [name for name in sys.modules if name.startswith("lake_domains")]:
        monkeypatch.delitem(sys.modules, name)
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(blocks) == GUIDE.read_text(encoding="utf-8").count("```") / 2 > 10
    for kind, name, text in blocks:
        if name:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
            continue
        assert kind == "console"
        for command, expected in commands(text):
            if command.startswith("cd "):
                monkeypatch.chdir(command.removeprefix("cd "))
                continue
            printed = typed(command)
            assert says(printed, expected), f"{PROMPT}{command}\n{printed}"
