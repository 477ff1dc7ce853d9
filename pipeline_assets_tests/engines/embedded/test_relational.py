from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from spark_resources.job import Audit, Destination, Job, Manifest

ENGINE = EmbeddedEngine(memory_limit_mib=256, threads=2)
PAIRS = "SELECT * FROM (VALUES ('ada', 'x', 1), ('bob', NULL, 2), ('ada', 'y', 3)) t(who, what, n)"
TYPES = {"who": "string", "what": "string", "n": "int"}


def fixpoint(folder: Path, step: str, keys: Sequence[str] = (), max_rounds: int = 10) -> Job:
    job = Job(
        token="token",
        kind="query",
        inputs={},
        sql=PAIRS,
        schema=TYPES,
        destination=Destination(str(folder / "out")),
        audit=Audit("SELECT count(*) AS rows FROM output"),
    )
    parameters = {
        "step_sql": step,
        "result_sql": "SELECT * FROM state",
        "max_rounds": max_rounds,
        "keys": list(keys),
    }
    return replace(job, kind="fixpoint", parameters=parameters)


def rows(manifest: Manifest) -> list[tuple[Any, ...]]:
    found = [row for file in manifest.files for row in pq.read_table(file.uri).to_pylist()]
    return sorted(tuple(row.values()) for row in found)


def said(job: Job) -> tuple[Manifest, list[str]]:
    lines: list[str] = []
    return ENGINE.run(job, lines.append), lines


def test_a_step_is_repeated_until_nothing_changes(tmp_path: Path) -> None:
    step = "SELECT * FROM state WHERE n < 2 OR n < (SELECT max(n) FROM state)"
    manifest, lines = said(fixpoint(tmp_path, step))
    assert rows(manifest) == [("ada", "x", 1)]
    assert (manifest.facts["rounds"], manifest.facts["converged"]) == (3, True)
    assert lines[0] == "round 1: 3 rows became 2"


def test_out_of_rounds_says_so(tmp_path: Path) -> None:
    step = "SELECT * FROM state WHERE n < 2 OR n < (SELECT max(n) FROM state)"
    manifest, _ = said(fixpoint(tmp_path, step, max_rounds=1))
    assert (manifest.facts["rounds"], manifest.facts["converged"]) == (1, False)


@pytest.mark.parametrize("keys", [(), ("who",), ("who", "what")])
def test_keys_come_back_as_they_were(keys: tuple[str, ...], tmp_path: Path) -> None:
    manifest, _ = said(fixpoint(tmp_path, "SELECT * FROM state", keys))
    assert rows(manifest) == [("ada", "x", 1), ("ada", "y", 3), ("bob", None, 2)]


def test_rounds_see_numbers_for_keys(tmp_path: Path) -> None:
    step = "SELECT * FROM state WHERE typeof(who) = 'UINTEGER' AND typeof(what) = 'VARCHAR'"
    assert said(fixpoint(tmp_path, step, ["who"]))[0].rows == 3
    assert said(fixpoint(tmp_path, step, ["what"]))[0].rows == 0
