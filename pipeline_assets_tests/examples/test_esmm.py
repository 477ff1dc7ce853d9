"""The example learns more from all weighted values of a field than from the last one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_assets.sample.taobao import write_taobao

pytestmark = pytest.mark.trainers

ROOT = Path(__file__).parents[2]
# torch lies in an environment of its own, behind all that both have.
TRAIN = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
AUC = re.compile(r"(\w+): AUC (\S+) on")


@pytest.fixture(scope="module")
def torch() -> Path:
    """Where torch is."""
    found = next((ROOT / ".trainers/fuxictr/lib").glob("python*/site-packages"), None)
    if found is None:
        pytest.skip("torch is not installed below .trainers; `make test-trainers` does that")
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake and the release ``spring`` of its training sets: a minute's work.

    Whoever wants it asks for ``torch`` before, without which the minute would be for nothing.
    """
    folder = tmp_path_factory.mktemp("esmm")
    write_taobao(folder / "landing", scale=30)
    (folder / ".dagster").mkdir()
    for words in (["update", "--select", 'group:"taobao"'], ["release", "create", "spring"]):
        run([str(Path(sys.executable).with_name("pipeline-assets")), *words], folder)
    return folder


def run(command: list[str], home: Path) -> str:
    places = {"PIPELINE_LANDING_URI": "landing", "PIPELINE_LAKE_URI": "lake"}
    environment = {**os.environ, **places, "DAGSTER_HOME": str(home / ".dagster")}
    told = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr[-2000:]
    return told.stdout


def aucs(torch: Path, home: Path, *options: str) -> dict[str, float]:
    words = [str(torch), str(ROOT / "examples/esmm/train.py"), "lake", "spring", *options]
    told = run([sys.executable, "-c", TRAIN, *words], home)
    return {label: float(auc) for label, auc in AUC.findall(told)}


def test_all_values_of_a_field_tell_more_than_the_last(torch: Path, home: Path) -> None:
    of_all, of_last = aucs(torch, home), aucs(torch, home, "--last-only")
    assert of_all["click_label"] > 0.7
    assert of_all["click_label"] > of_last["click_label"] + 0.03
    assert of_all["conversion_label"] > of_last["conversion_label"]
