"""Which modules a process loads, because imports are most of what a short command takes.

Each case starts a fresh interpreter and looks at the modules it has at the end, never at seconds.
"""

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from pipeline_assets_tests.landing.plays import local_lake, publish

LEARNING = {"gensim", "scipy", "sklearn"}
DATABASES = {"adbc_driver_manager", "alembic", "dagster_postgres", "psycopg2", "sqlalchemy"}
FRAMES = {"pandas", "polars", "pandera"}
CLOUD = {"boto3", "moto"}
SPARK = {"dagster_pyspark", "py4j", "pyspark"}
TABLES = {"pyiceberg"}
ROWS = {"duckdb", "numpy", "pyarrow"}
HEAVY = {*LEARNING, *DATABASES, *FRAMES, *CLOUD, *SPARK, "hypothesis", "matplotlib"}


COMMAND = """
import sys
from pipeline_assets.command.cli import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
"""


def loaded(
    program: str, *arguments: str, folder: Path | None = None, without: str = "()"
) -> set[str]:
    """The modules at the end of a program, packages and submodules alike.

    Args:
        program: Python code.
        *arguments: Of its command line.
        folder: Where it runs.
        without: An expression for modules that do not count.
    """
    told = f"import json, sys; print(json.dumps(sorted(set(sys.modules).difference({without}))))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{told}", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def among(modules: Collection[str], unwanted: Collection[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] in unwanted}


def test_definitions_load_no_library_that_only_some_runs_need() -> None:
    modules = loaded("import pipeline_assets.definitions")
    assert not among(modules, {*HEAVY, *ROWS, "urllib3"})
    # Its exceptions alone are a small module.
    assert among(modules, TABLES) <= {"pyiceberg", "pyiceberg.exceptions"}


def test_definitions_are_built_without_engines_and_channels_that_no_setting_names(
    folder: Path,
) -> None:
    modules = loaded("import pipeline_assets.definitions as it; it.defs()", folder=folder)
    assert not among(modules, ROWS - {"duckdb"})
    assert not modules & {
        "pipeline_assets.engines.athena.engine",
        "pipeline_assets.engines.spark",
        "pipeline_assets.keys.client",
        "pipeline_assets.orchestration.alerts.channels",
        "spark_resources.runners.runner",
    }


@pytest.mark.parametrize("library", ["boto3", "pyspark", "sqlalchemy"])
def test_a_library_that_is_loaded_is_noticed(library: str) -> None:
    assert among(loaded(f"import {library}"), HEAVY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a command finds a lake with one table."""
    publish(local_lake(tmp_path / "lake"), {"mon": {"ada": 3}})
    return tmp_path


@pytest.mark.parametrize("command", ["", "query", "update", "history", "clean", "doctor"])
def test_help_loads_click_and_the_declarations_of_the_commands(command: str, folder: Path) -> None:
    modules = loaded(COMMAND, *command.split(), "--help", folder=folder)
    bare = loaded("import click, signal, traceback", folder=folder)
    ours = {name for name in modules - bare if name.startswith(("pipeline_assets", "spark_"))}
    assert not {it for it in ours if not it.startswith("pipeline_assets.command")} - {
        "pipeline_assets",
        "pipeline_assets.dataset",
        "pipeline_assets.dataset.values",
        "pipeline_assets.dataset.values.progress",
        "pipeline_assets.dataset.values.texts",
        "pipeline_assets.errors",
        "pipeline_assets.garbage",
        "pipeline_assets.serving",
        "pipeline_assets.serving.command",
    }
    known = {name.partition(".")[0] for name in bare} | set(sys.stdlib_module_names)
    assert {name.partition(".")[0] for name in modules} - known <= {"pipeline_assets"}


@pytest.mark.parametrize(
    "arguments",
    [("query", "select sum(plays) from music.plays"), ("history", "music.plays")],
    ids=["query", "history"],
)
def test_who_reads_the_lake_needs_no_dagster_no_frames_and_no_driver_of_databases(
    arguments: tuple[str, ...], folder: Path
) -> None:
    modules = loaded(COMMAND, *arguments, folder=folder)
    assert not among(modules, {*HEAVY, "dagster", "ibis", "pyarrow"})


def test_who_reads_a_table_from_python_needs_no_driver_of_databases(folder: Path) -> None:
    rows = "from pipeline_assets import open_lake; open_lake('lake')['music.plays'].to_arrow()"
    assert not among(loaded(rows, folder=folder), {*HEAVY, "dagster", "ibis"})


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("missing", set()),
        ("doctor", {*DATABASES, "duckdb"}),
        ("update --select key:music/raw_users", DATABASES),
    ],
    ids=["missing", "doctor", "update"],
)
def test_who_looks_at_the_graph_needs_no_rows_and_nothing_that_runs_it(
    command: str, needed: set[str], folder: Path
) -> None:
    (folder / "landing").mkdir()
    modules = loaded(COMMAND, *command.split(), folder=folder)
    assert not among(modules, {*HEAVY, *ROWS} - needed)
    assert not modules & {
        "pipeline_assets.definitions",
        "pipeline_assets.orchestration.resources.parts",
        "pipeline_assets.publish.dagster_assets",
    }


STEP = """
import sys
import dagster as dg
import pipeline_assets.fork_server
from pipeline_assets.definitions import defs
forked = set(sys.modules)
with dg.DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("snapshot", ["2026-01-31"])
    job = defs().resolve_implicit_global_asset_job_def()
    run = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["music", "raw_users"])],
        partition_key="2026-01-31",
    )
assert run.success
"""


def test_a_step_finds_everything_imported_that_steps_need(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery, home = folder / "landing" / "music" / "2026-01-31", folder / "home"
    delivery.mkdir(parents=True)
    home.mkdir()
    (delivery / "users.csv").write_text("user_id,country,total_scrobbles\nada,GB,3\n")
    (delivery / "user_top_artists.csv").write_text("user_id,rank,artist_name,playcount\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    late = loaded(STEP, folder=folder, without="forked")
    assert late, "what only this step needs"
    assert not among(late, {"pipeline_assets", "spark_resources", "ibis", "sqlglot", *DATABASES})
    assert not among(late, {"pandas", "matplotlib", "duckdb"})
