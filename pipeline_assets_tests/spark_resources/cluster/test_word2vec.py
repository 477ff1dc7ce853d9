import math
import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Row, SparkSession

from pipeline_assets_tests.spark_resources.jobs import a_job
from spark_resources.cluster.entry_point import execute
from spark_resources.cluster.word2vec import sentences
from spark_resources.job import Source, SourceFile

pytestmark = pytest.mark.spark

SCHEMA = {"user_id": "long", "artist_name": "string", "weight": "int"}
OUTPUT = {"artist_name": "string", "embedding": "list<float>"}


def fans(users: int) -> list[dict[str, object]]:
    """Every user listens to one of two genres; nobody listens to the hermit's other artists."""
    draw = random.Random(7)
    rows: list[dict[str, object]] = []
    for user in range(users):
        genre = "rock" if user % 2 else "jazz"
        for artist in draw.sample(range(12), 6):
            name = f"{genre} {artist}"
            rows.append({"user_id": user, "artist_name": name, "weight": draw.randint(1, 4)})
    rows.append({"user_id": users, "artist_name": "hermit", "weight": 3})
    return rows


def source(folder: Path, rows: list[dict[str, object]]) -> Source:
    types = pa.schema(
        [("user_id", pa.int64()), ("artist_name", pa.string()), ("weight", pa.int32())]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=types), folder / "lists.parquet")
    return Source("parquet", SCHEMA, (SourceFile(str(folder / "lists.parquet")),))


def learn(spark: SparkSession, out: Path, lists: Source) -> dict[str, list[float]]:
    job = a_job(out, "SELECT * FROM lists", OUTPUT, lists=lists)
    manifest = execute(spark, replace(job, kind="word2vec", parameters={"vector_size": 16}))
    tables = [pq.ParquetFile(file.uri).read() for file in manifest.files]
    return {row["artist_name"]: row["embedding"] for t in tables for row in t.to_pylist()}


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def test_genres_are_neighbours_and_runs_repeat(spark: SparkSession, tmp_path: Path) -> None:
    lists = source(tmp_path, fans(300))
    vectors = learn(spark, tmp_path / "one", lists)
    assert len(vectors) == 24
    assert "hermit" not in vectors
    for name, vector in vectors.items():
        nearest = max((n for n in vectors if n != name), key=lambda n: cosine(vector, vectors[n]))
        assert nearest.split()[0] == name.split()[0]
    assert learn(spark, tmp_path / "two", lists) == vectors


def spoken_lists(spark: SparkSession, epochs: int) -> list[Row]:
    rows = [(1, "a", 5), (1, "b", 2), (1, "c", 1), (2, "d", 3)]
    lists = spark.createDataFrame(rows, "list LONG, name STRING, weight INT")
    return sentences(lists, seed=1, epochs=epochs).collect()


def test_weights_count_and_no_name_meets_itself(spark: SparkSession) -> None:
    spoken = [row["words"] for row in spoken_lists(spark, epochs=1)]
    words = Counter(word for sentence in spoken for word in sentence)
    assert all(len(sentence) > 1 for sentence in spoken)
    assert words["b"] == 2
    assert words["c"] == 1
    assert words["a"] <= 5
    assert words["d"] == 0
    assert not any(a == b for sentence in spoken for a, b in pairwise(sentence))
    assert all(len(set(sentence)) == len(sentence) for sentence in spoken)


def test_every_epoch_has_all_names_in_sentences_of_its_own(spark: SparkSession) -> None:
    rows = spoken_lists(spark, epochs=20)
    epochs = [[row["words"] for row in rows if row["epoch"] == number] for number in range(1, 21)]
    assert [row["epoch"] for row in rows] == sorted(row["epoch"] for row in rows)
    assert {sum(words.count("b") for words in spoken) for spoken in epochs} == {2}
    assert len({str(spoken) for spoken in epochs}) > 5


def test_nobody_listens_to_anything(spark: SparkSession, tmp_path: Path) -> None:
    assert learn(spark, tmp_path / "out", Source("parquet", SCHEMA)) == {}
