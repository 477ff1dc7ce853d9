"""Every snippet of docs/reading.md and of the notebook runs, in the order of the page."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.domains.music.contracts import Users
from pipeline_assets_tests.landing.plays import local_lake, record
from pipeline_assets_tests.spark_resources.conftest import COMPILED_FAST
from spark_resources.runners.jvm import choose_java, environment

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"
NOTEBOOK = Path(__file__).parents[2] / "examples" / "reading.ipynb"
ELSEWHERE = ("Athena", "Hugging Face", "PyTorch")
"""Sections that need what is not installed beside the lake; they have tests of their own."""
TRAINERS = Path(__file__).parents[2] / ".trainers"


def snippets(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """The text below a heading of the page."""
    return PAGE.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


SNIPPETS = snippets(PAGE.read_text().partition(f"## {ELSEWHERE[0]}\n")[0])


@pytest.fixture
def lake_folder(tmp_path: Path) -> Path:
    """A folder with a lake in it; whoever reads the page starts Python there."""
    lake = local_lake(tmp_path / "lake")
    users = LakeTable("music", "users", TableContract.of(Users), "snapshot")
    file = tmp_path / "lake" / "music" / "users" / "data" / "attempt" / "0.parquet"
    file.parent.mkdir(parents=True)
    rows = {
        "user_id": ["u1", "u2"],
        "country": ["Poland", "Brazil"],
        "total_scrobbles": [3, 4],
        "snapshot": ["2026-01-01"] * 2,
    }
    pq.write_table(pa.table(rows, schema=lake.arrow_schema(users)), file)
    lake.publish(users, [str(file)], {"2026-01-01": record()})
    return tmp_path


def test_every_snippet_runs(lake_folder: Path) -> None:
    java = environment(choose_java(None, lake_folder / "java").home, sys.executable)
    # A process of its own: the page's Spark session would be that of the other tests.
    page = subprocess.run(
        [sys.executable, "-c", "\n".join(SNIPPETS)],
        cwd=lake_folder,
        env={**os.environ, **java, "JDK_JAVA_OPTIONS": COMPILED_FAST},
        capture_output=True,
        text=True,
        check=False,
    )
    assert page.returncode == 0, page.stderr
    assert page.stdout.startswith("('music.users',)\n")
    assert len(SNIPPETS) == 7


def test_every_other_snippet_is_in_a_section_with_a_test() -> None:
    others = [snippet for title in ELSEWHERE for snippet in snippets(section(title))]
    assert SNIPPETS + others == snippets(PAGE.read_text())
    assert len(others) == len(ELSEWHERE)


@pytest.mark.trainers
@pytest.mark.parametrize(("title", "home"), [("Hugging Face", "datasets"), ("PyTorch", "fuxictr")])
def test_trainers_read_the_files(lake_folder: Path, title: str, home: str) -> None:
    """In the library's environment, which lacks ours: its lake is a table of Arrow with files."""
    python = TRAINERS / home / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{home} is not installed below .trainers; `make test-trainers` does that")
    (file,) = lake_folder.rglob("data/attempt/0.parquet")
    (snippet,) = snippets(section(title))
    lake = f"""
import pyarrow.parquet as pq
class Users:
    files = ({str(file)!r},)
    def batches(self, rows):
        return pq.read_table(self.files[0]).to_batches(rows)
lake = {{"music.users": Users()}}
"""
    told = subprocess.run([python, "-c", lake + snippet], cwd=lake_folder, check=False)
    assert told.returncode == 0


def test_every_cell_of_the_notebook_runs(
    lake_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    monkeypatch.chdir(lake_folder)
    names: dict[str, object] = {}
    for source in sources:
        exec(source, names)
    told = capsys.readouterr().out
    assert " rows in 1 partitions, published at " in told
    assert re.search(r"^country +string ", told, re.MULTILINE)


def test_the_notebook_holds_no_output() -> None:
    """Outputs would be those of somebody's lake."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert [cell["outputs"] for cell in cells if cell.get("outputs")] == []
