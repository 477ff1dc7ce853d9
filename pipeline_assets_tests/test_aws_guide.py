"""The deployment guide: what people copy from it parses, and means what we mean by it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline_assets.definitions import DATASETS
from pipeline_assets.settings import PREFIX, Settings

ASSETS = DATASETS.assets

GUIDE = Path(__file__).parents[1] / "docs" / "aws.md"
TEXT = GUIDE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [block for language, block in BLOCKS if language == "sh"]
DOCUMENTS = [block for language, block in BLOCKS if language == "json"]
SETTING = re.compile(rf"{PREFIX}([A-Z0-9_]+)(?:=('[^']*'|\S+))?")


def policy_named(name: str) -> Any:  # noqa: ANN401 - JSON
    """The document after the text that says to save it under this name."""
    return json.loads(TEXT.partition(f"`{name}`:")[2].partition("```json\n")[2].partition("```")[0])


def actions(policy: Any) -> set[str]:  # noqa: ANN401 - JSON
    found = [statement["Action"] for statement in policy["Statement"]]
    return {action for each in found for action in ([each] if isinstance(each, str) else each)}


def test_there_is_something_to_check() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "json"}
    assert len(COMMANDS) > 5
    assert len(DOCUMENTS) > 4


@pytest.mark.parametrize("block", COMMANDS)
def test_every_command_is_sound_shell(block: str) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    checked = subprocess.run([bash, "-n"], input=block, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert not re.search(r"\\[ \t]+$", block, re.MULTILINE), "a space after a backslash ends it"


@pytest.mark.parametrize("block", [*DOCUMENTS, *re.findall(r"'(\{.*?\})'", TEXT)])
def test_every_document_is_json(block: str) -> None:
    assert json.loads(block)


def test_every_setting_exists_and_takes_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert {name for name, _ in SETTING.findall(TEXT)} <= known
    for block in COMMANDS:
        with monkeypatch.context() as environment:
            for name, value in SETTING.findall(block):
                environment.setenv(PREFIX + name, value.strip("'"))
            Settings.from_environment()


def test_nothing_is_allowed_that_is_not_needed() -> None:
    job, dagster = policy_named("job-policy.json"), policy_named("dagster-policy.json")
    assert not any(action.endswith("*") for action in actions(job) | actions(dagster))
    assert {action.partition(":")[0] for action in actions(job)} == {"s3", "kms"}
    for statement in [*job["Statement"], *dagster["Statement"]]:
        assert statement["Resource"] != "*" or statement["Sid"] in {
            "FindClusters",  # AWS knows no narrower resource for it
            "ClustersForOneJob",  # narrowed by the tag it has to set
        }


def test_all_that_the_services_are_asked_is_allowed() -> None:
    """The calls that our clients make, in IAM's words."""
    asked = {
        "elasticmapreduce": Path("spark_resources/runners/emr.py"),
        "emr-serverless": Path("spark_resources/runners/emr_serverless.py"),
    }
    allowed = actions(policy_named("dagster-policy.json"))
    for service, module in asked.items():
        source = (GUIDE.parents[1] / module).read_text(encoding="utf-8")
        calls = set(re.findall(r"self\.(?:emr|client)\.([a-z_]+)\(", source)) - {"get_paginator"}
        calls |= set(re.findall(r"get_paginator\(\"([a-z_]+)\"\)", source))
        assert calls
        for call in calls:
            assert f"{service}:{call.title().replace('_', '')}" in allowed, call


def test_every_domain_has_its_database() -> None:
    policy = json.dumps(policy_named("dagster-policy.json"))
    for namespace in {asset.table.namespace for asset in ASSETS}:
        assert f":database/{namespace}" in policy
        assert f":table/{namespace}/*" in policy
