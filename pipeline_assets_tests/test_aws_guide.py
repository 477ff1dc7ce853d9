"""The pages about AWS: what people copy from it parses, and means what we mean by it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline_assets.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
PAGES = ("docs/aws.md", "docs/upgrading.md", "deploy/README.md")
TEXT = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [block for language, block in BLOCKS if language == "sh"]
SETTING = re.compile(rf"{PREFIX}([A-Z0-9_]+)(?:=('[^']*'|\S+))?")


def test_there_is_something_to_check() -> None:
    assert {language for language, _ in BLOCKS} == {"sh"}
    assert len(COMMANDS) > 5


@pytest.mark.parametrize("block", COMMANDS)
def test_every_command_is_sound_shell(block: str) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    checked = subprocess.run([bash, "-n"], input=block, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert not re.search(r"\\[ \t]+$", block, re.MULTILINE), "a space after a backslash ends it"


@pytest.mark.parametrize("block", re.findall(r"'(\{.*?\})'", TEXT))
def test_every_document_is_json(block: str) -> None:
    assert json.loads(block)


def test_every_setting_exists_and_takes_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert {name for name, _ in SETTING.findall(TEXT)} <= known
    for block in COMMANDS:
        with monkeypatch.context() as environment:
            for name, value in filter(lambda found: found[1], SETTING.findall(block)):
                environment.setenv(PREFIX + name, value.strip("'"))
            Settings.from_environment()
