from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.learning.kinds import KINDS
from pipeline_assets.learning.word2vec import Word2VecParameters, train
from spark_resources.job import Audit, Destination, Job, Kind, Manifest, Source, SourceFile

DAY = "2026-01-01"
LISTS = {"user_id": "string", "artist_name": "string", "weight": "int"}
VECTORS = {"artist_name": "string", "embedding": "list<float>"}
NEIGHBOURS = {"artist_name": "string", "neighbour": "string", "similarity": "double", "rank": "int"}
TYPES = {"string": pa.string(), "int": pa.int32(), "list<float>": pa.list_(pa.float32())}
SMALL = {"vector_size": 8, "epochs": 2}
Rows = list[dict[str, Any]]


def run(
    folder: Path,
    kind: Kind,
    rows: Rows,
    schemas: tuple[dict[str, str], dict[str, str]],
    parameters: dict[str, Any],
    threads: int = 2,
) -> tuple[Rows, Manifest, list[str]]:
    """Feed rows to a learning job: what it wrote, its manifest and its log."""
    given, made = schemas
    folder.mkdir()
    path = folder / "given.parquet"
    arrow = pa.schema([(name, TYPES[type_]) for name, type_ in given.items()])
    pq.write_table(pa.Table.from_pylist(rows, arrow), path, row_group_size=10_000)
    log: list[str] = []
    job = Job(
        token="token",
        kind=kind,
        inputs={"given": Source("parquet", given, (SourceFile(str(path)),))},
        sql=f"SELECT {', '.join(given)} FROM given",
        schema={**made, "snapshot": "string"},
        destination=Destination(str(folder / "out"), "snapshot", (DAY,)),
        audit=Audit("SELECT count(*) AS rows FROM output"),
        parameters=parameters,
    )
    manifest = EmbeddedEngine(memory_limit_mib=256, threads=threads, kinds=KINDS).run(
        job, log.append
    )
    found = [row for file in manifest.files for row in pq.read_table(file.uri).to_pylist()]
    return found, manifest, log


def learnt(
    folder: Path, rows: Rows, threads: int = 2, **parameters: int
) -> tuple[Rows, Manifest, list[str]]:
    return run(folder, "word2vec", rows, (LISTS, VECTORS), {**SMALL, **parameters}, threads)


def some_lists(users: int, seed: int = 0) -> Rows:
    """Lists of nine of fifty artists, in no order."""
    random = np.random.default_rng(seed)
    rows = [
        {"user_id": f"u{user}", "artist_name": f"Artist {artist}", "weight": 1 + artist % 4}
        for user in range(users)
        for artist in random.choice(50, 9, replace=False).tolist()
    ]
    return [rows[place] for place in random.permutation(len(rows))]


def test_every_name_gets_the_vector_that_its_lists_teach(tmp_path: Path) -> None:
    rows = some_lists(users=200)
    found, manifest, log = learnt(tmp_path / "a", rows)
    ordered = sorted((row["user_id"], row["artist_name"], row["weight"]) for row in rows)
    users = dict.fromkeys(user for user, _, _ in ordered)
    lists = [[(name, weight) for who, name, weight in ordered if who == user] for user in users]
    expected = train(lambda: lists, Word2VecParameters(**SMALL))
    assert {row["artist_name"]: row["embedding"] for row in found} == dict(
        zip(expected.names, expected.vectors.tolist(), strict=True)
    )
    assert {row["snapshot"] for row in found} == {DAY}
    assert manifest.facts["names"] == 50
    assert log == ["epoch 1 of 2", "epoch 2 of 2"]


def test_neither_the_order_of_rows_nor_the_threads_change_a_vector(tmp_path: Path) -> None:
    """With more rows than DuckDB reads in one go, so that threads do race."""
    rows = some_lists(users=15_000)
    once, _, _ = learnt(tmp_path / "once", rows, threads=1, epochs=1, vector_size=2)
    again, _, _ = learnt(tmp_path / "again", rows[::-1], threads=4, epochs=1, vector_size=2)
    assert once == again


def test_no_lists_give_no_vectors(tmp_path: Path) -> None:
    found, manifest, _ = learnt(tmp_path / "none", [])
    assert (found, manifest.rows) == ([], 0)


def test_neighbours_are_ranked_within_the_partition(tmp_path: Path) -> None:
    angles = {"A": 0.0, "B": 0.1, "C": 0.4, "D": 3.0}
    rows = [
        {"artist_name": name, "embedding": [np.cos(angle), np.sin(angle)]}
        for name, angle in angles.items()
    ]
    found, _, _ = run(tmp_path / "a", "neighbours", rows, (VECTORS, NEIGHBOURS), {"k": 2})
    assert [(r["artist_name"], r["rank"], r["neighbour"], r["snapshot"]) for r in found] == [
        ("A", 1, "B", DAY),
        ("A", 2, "C", DAY),
        ("B", 1, "A", DAY),
        ("B", 2, "C", DAY),
        ("C", 1, "B", DAY),
        ("C", 2, "A", DAY),
        ("D", 1, "C", DAY),
        ("D", 2, "B", DAY),
    ]
    assert found[0]["similarity"] == pytest.approx(np.cos(0.1))


@pytest.mark.parametrize("names", [[], ["A"]])
def test_who_is_alone_has_no_neighbours(tmp_path: Path, names: list[str]) -> None:
    rows: Rows = [{"artist_name": name, "embedding": [1.0, 0.0]} for name in names]
    found, _, _ = run(tmp_path / "a", "neighbours", rows, (VECTORS, NEIGHBOURS), {"k": 2})
    assert found == []
