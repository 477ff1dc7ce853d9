"""The rules of the house: who may import whom, how large a room may get, what has one place."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("pipeline_assets", "spark_resources")
MODULES = [path for tree in PRODUCT for path in sorted((ROOT / tree).rglob("*.py"))]
LINTER = Path(sys.executable).with_name("lint-imports")

BREAKS = {
    "A room imports only rooms below it": (
        "pipeline_assets/iceberg/tables.py",
        "import pipeline_assets.publish.staging",
    ),
    "Domains never import each other": (
        "pipeline_assets/domains/music/plots.py",
        "import pipeline_assets.domains.ratings.plots",
    ),
    "A domain author needs to know datasets and what lands, nothing else": (
        "pipeline_assets/domains/music/plots.py",
        "import duckdb",
    ),
    "Declaring a dataset does no I/O": ("pipeline_assets/dataset/plots.py", "import pyiceberg"),
    "A cluster needs nothing but Spark and spark_resources.cluster": (
        "spark_resources/cluster/output.py",
        "import spark_resources.runners.aws",
    ),
}


def broken_rules(folder: Path) -> set[str]:
    told = subprocess.run(
        [LINTER, "--no-logo", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return {line.removesuffix(" BROKEN") for line in told.splitlines() if line.endswith(" BROKEN")}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy that may be broken."""
    for tree in PRODUCT:
        shutil.copytree(ROOT / tree, tmp_path / tree, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


@pytest.mark.parametrize("rule", BREAKS)
def test_each_rule_notices_an_import_that_breaks_it(house: Path, rule: str) -> None:
    module, line = BREAKS[rule]
    with (house / module).open("a") as source:
        source.write(f"\n{line}\n")
    assert rule in broken_rules(house)


def test_no_rule_is_without_an_import_that_breaks_it() -> None:
    settings = (ROOT / ".importlinter").read_text()
    names = [line.partition("= ")[2] for line in settings.splitlines() if line.startswith("name =")]
    assert set(names) == set(BREAKS)


def test_no_module_is_too_long_to_read() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_no_room_is_too_crowded_to_know() -> None:
    folders = {path.parent for path in MODULES}
    modules = {
        str(folder.relative_to(ROOT)): len(list(folder.glob("[!_]*.py"))) for folder in folders
    }
    assert {name: count for name, count in modules.items() if count > 15} == {}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_dagsters_private_modules_are_imported_in_one_place() -> None:
    private = ("dagster._", "dagster_shared", "dagster_aws._", "dagster_postgres._")
    found = {path.name for path in MODULES if any(it.startswith(private) for it in imported(path))}
    assert found == {"dagster_internals.py"}


def test_the_product_runs_without_its_tests_and_benchmarks() -> None:
    outside = ("pipeline_assets_tests", "benchmarks")
    assert not [path for path in MODULES if any(it.startswith(outside) for it in imported(path))]


def test_the_environment_is_read_where_settings_are() -> None:
    """Programs that are started get an environment; nobody else looks into it."""
    readers = {
        str(path.relative_to(ROOT))
        for path in MODULES
        if any(word in path.read_text() for word in ("os.environ", "os.getenv", "getenv("))
    }
    assert readers <= {
        "pipeline_assets/settings/settings.py",
        "spark_resources/runners/local.py",
    }
