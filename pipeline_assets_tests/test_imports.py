"""Which modules a process loads, because imports are most of what a short command takes.

Each case starts a fresh interpreter and looks at the modules it has at the end, never at seconds.
"""

import json
import subprocess
import sys
from collections.abc import Collection

import pytest

LEARNING = {"gensim", "scipy", "sklearn"}
DATABASES = {"adbc_driver_manager", "alembic", "dagster_postgres", "psycopg2", "sqlalchemy"}
FRAMES = {"pandas", "polars", "pandera"}
CLOUD = {"boto3", "moto"}
SPARK = {"dagster_pyspark", "py4j", "pyspark"}
TABLES = {"pyiceberg"}
HEAVY = {*LEARNING, *DATABASES, *FRAMES, *CLOUD, *SPARK, "hypothesis", "matplotlib"}


def loaded(program: str) -> set[str]:
    """The modules at the end of a program, packages and submodules alike."""
    told = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{told}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def among(modules: Collection[str], unwanted: Collection[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] in unwanted}


def test_definitions_load_no_library_that_only_some_runs_need() -> None:
    modules = loaded("import pipeline_assets.definitions")
    assert not among(modules, HEAVY)
    # Its exceptions alone are a small module.
    assert among(modules, TABLES) <= {"pyiceberg", "pyiceberg.exceptions"}


@pytest.mark.parametrize("library", ["boto3", "pyspark", "sqlalchemy"])
def test_a_library_that_is_loaded_is_noticed(library: str) -> None:
    assert among(loaded(f"import {library}"), HEAVY)
