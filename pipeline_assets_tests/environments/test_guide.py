"""docs/environments.md, followed literally on a small lake: commands typed, a function changed."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from pipeline_assets import graph as whole_graph
from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.discovery import Datasets
from pipeline_assets.domains.music import assets as music
from pipeline_assets.graph import DATASETS
from pipeline_assets.sample.music import write_music

GUIDE = Path(__file__).parents[2] / "docs" / "environments.md"
BLOCK = re.compile(r"^```(console|diff)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SETTING = "PIPELINE_ENVIRONMENT="
BUILT = '+key:"music/artist_rank_in_country" or +key:"music/country_rank_per_artist"'
"""The guide's lake has all tables; to build them would take a test minutes."""


def typed(line: str) -> str:
    """What a command prints; it may begin with the environment that it is run in."""
    words = shlex.split(line)
    setting = words.pop(0) if words[0].startswith(SETTING) else ""
    assert words.pop(0) == "pipeline-assets"
    env = {"PIPELINE_ENVIRONMENT": setting.removeprefix(SETTING) or None}
    result = CliRunner().invoke(cli, words, obj=Session(), env=env, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def in_words(text: str) -> str:
    """A text whose figures, times and place do not matter; another lake has others."""
    somewhere = re.sub(r"\S*(?=/lake\b)", "", text)
    return re.sub(r"[\d][\d,.:T+-]*\b|\+?\be[+-]?\d+|[│┃━─┏┓┗┛┡┩└┘┳┴╇ ]+", " ", somewhere).strip()


def commands(block: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def changed(diff: str) -> list[LakeAsset]:
    """The music assets, computed by the module's source after a change."""
    source = Path(str(music.__file__)).read_text()
    lines = diff.splitlines()
    before, after = ("\n".join(it[1:] for it in lines if it[0] in signs) for signs in (" -", " +"))
    assert source.count(before) == 1
    module = ModuleType(music.__name__)
    exec(compile(source.replace(before, after), str(music.__file__), "exec"), vars(module))
    return [it for it in vars(module).values() if isinstance(it, LakeAsset)]


@contextmanager
def code(assets: list[LakeAsset]) -> Iterator[None]:
    """The music domain with some assets in the place of those of the same names.

    Without the other domains, whose definitions each command would build.
    """
    new = {asset.name: asset for asset in assets}
    graph = [new.get(it.name, it) for it in DATASETS.assets if it.table.namespace == "music"]
    landing = [it for it in DATASETS.landing if "music" in it.name]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(whole_graph, "DATASETS", Datasets(tuple(graph), tuple(landing)))
        yield


def test_whoever_follows_the_guide_sees_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".dagster"))
    write_music(tmp_path / "landing", scale=0.05)
    with code([]):
        typed(f"pipeline-assets update --select {shlex.quote(BUILT)}")
    assets: list[LakeAsset] = []
    printed: dict[str, list[str]] = {}
    for kind, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        if kind == "diff":
            assets = changed(text)
            continue
        with code(assets):
            for command, expected in commands(text):
                said = typed(command)
                assert in_words(said) == in_words(expected), f"$ {command}\n{said}"
                printed.setdefault(command, []).append(said)
    assert sum(map(len, printed.values())) == 11
    (in_environment, in_production) = (it for typed_, it in printed.items() if " query " in typed_)
    # Untouched until it was promoted, and then what the environment held.
    assert in_production[1:] == in_environment != in_production[:1]
