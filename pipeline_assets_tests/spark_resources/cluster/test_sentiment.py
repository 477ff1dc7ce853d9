import json
import random
import re
import zipfile
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipeline_assets.errors import PipelineError
from pipeline_assets.learning.sentiment import from_bytes, to_bytes
from pipeline_assets.learning.sentiment_fit import fit
from pipeline_assets.sample.review_texts import review_text
from pipeline_assets_tests.spark_resources.jobs import a_job
from spark_resources.cluster.entry_point import execute
from spark_resources.cluster.sentiment import SentimentError
from spark_resources.cluster.sentiment_text import any_of
from spark_resources.job import Job, Manifest, Source, SourceFile

SCORED = {"review_str": "string", "sentiment": "int", "insert_date": "date"}
ASKED = {"cid": "int", "review_str": "string"}
ANSWERED = {**ASKED, "sentiment": "int", "positive_review": "boolean", "confidence": "double"}
MODEL = {
    "model": "binary",
    "origin": "string",
    "reviews": "long",
    "accuracy": "double",
    "macro_f1": "double",
    "calibration_error": "double",
    "report": "string",
}


def scored(count: int) -> list[tuple[str, int, date]]:
    draw = random.Random(3)
    scores = [draw.choice((1, 2, 3, 3, 4, 5)) for _ in range(count)]
    labels = [0 if score <= 2 else 1 if score == 3 else 2 for score in scores]
    texts = [review_text(draw, score, "Iron Garden") for score in scores]
    return [(text, label, date(2026, 1, 2)) for text, label in zip(texts, labels, strict=True)]


def stored(path: Path, rows: list[tuple[Any, ...]], schema: pa.Schema) -> SourceFile:
    pq.write_table(
        pa.Table.from_pylist([dict(zip(schema.names, r, strict=True)) for r in rows], schema), path
    )
    return SourceFile(str(path))


def fit_job(folder: Path, rows: list[tuple[str, int, date]]) -> Job:
    schema = pa.schema(
        [("review_str", pa.string()), ("sentiment", pa.int32()), ("insert_date", pa.date32())]
    )
    reviews = Source("parquet", SCORED, (stored(folder / "scored", rows, schema),), 7)
    job = a_job(folder / "model", "SELECT * FROM reviews", MODEL, reviews=reviews)
    return replace(job, kind="sentiment_fit", parameters={"seed": 0})


def predict_job(folder: Path, texts: list[str | None], models: Source) -> Job:
    schema = pa.schema([("cid", pa.int32()), ("review_str", pa.string())])
    rows = stored(folder / "asked", list(enumerate(texts)), schema)
    asked = Source("parquet", ASKED, (rows,))
    job = a_job(
        folder / "answers", "SELECT * FROM asked", ANSWERED, asked=asked, sentiment_model=models
    )
    parameters = {"model_sql": "SELECT model FROM sentiment_model"}
    return replace(job, kind="sentiment_predict", parameters=parameters)


def rows_of(manifest: Manifest) -> list[dict[str, Any]]:
    return [row for file in manifest.files for row in pq.ParquetFile(file.uri).read().to_pylist()]


@pytest.fixture(scope="module")
def trained(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return execute(spark, fit_job(tmp_path_factory.mktemp("fit"), scored(600)))


def models(manifest: Manifest) -> Source:
    return Source("parquet", MODEL, tuple(SourceFile(file.uri) for file in manifest.files))


@pytest.mark.spark
def test_the_report_is_of_texts_the_model_had_not_seen(trained: Manifest) -> None:
    [row] = rows_of(trained)
    report = json.loads(row["report"])
    assert [each["name"] for each in report["classes"]] == ["negative", "neutral", "positive"]
    assert sum(map(sum, report["confusion"])) == pytest.approx(600 / 5, abs=3)
    assert row["accuracy"] > 0.7
    assert row["calibration_error"] < 0.2
    assert row["reviews"] == 600
    assert row["origin"] == "600 reviews of 1 windows, 2026-01-02 to 2026-01-02; snapshot reviews 7"
    assert trained.facts["model_bytes"] == len(row["model"])


@pytest.mark.spark
def test_what_is_stored_is_json_and_parquet(trained: Manifest) -> None:
    [row] = rows_of(trained)
    with zipfile.ZipFile(BytesIO(row["model"])) as archive:
        names = archive.namelist()
        assert json.loads(archive.read("header.json"))["version"] == 1
    plain = re.compile(
        r"header\.json|(.*/)?(metadata/part-[^/]*(\.txt)?|data/part-.*\.parquet|_SUCCESS)"
    )
    assert [name for name in names if not plain.fullmatch(name)] == []


@pytest.mark.spark
def test_any_text_gets_an_answer(spark: SparkSession, trained: Manifest, tmp_path: Path) -> None:
    texts = [
        "A truly wonderful, gripping and moving film.",
        "Dull, boring, terrible: not funny at all.",
        None,
        "",
        "这部电影非常好看 我很喜欢",
        "ฉันชอบหนังเรื่องนี้มาก",
        "'\\ \x00 ¿ \U0001f600",
        "good " * 200_000,
        "-'" * 10_000,
    ]
    answers = rows_of(execute(spark, predict_job(tmp_path, texts, models(trained))))
    by_cid = {row["cid"]: row for row in answers}
    assert [by_cid[cid]["review_str"] for cid in range(len(texts))] == texts
    assert [by_cid[cid]["sentiment"] for cid in range(2)] == [2, 0]
    assert by_cid[2]["sentiment"] == by_cid[3]["sentiment"]
    for row in answers:
        assert row["sentiment"] in {0, 1, 2}
        assert row["positive_review"] == (row["sentiment"] == 2)
        assert 1 / 3 <= row["confidence"] <= 1


@pytest.mark.spark
def test_too_few_texts_of_a_class_are_told_as_the_embedded_engine_tells(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [row for row in scored(60) if row[1] != 0] + [("awful", 0, date(2026, 1, 1))] * 9
    with pytest.raises(SentimentError) as spark_says:
        execute(spark, fit_job(tmp_path, rows))
    with pytest.raises(PipelineError) as embedded_says:
        fit([row[0] for row in rows], [row[1] for row in rows])
    assert str(spark_says.value) == str(embedded_says.value)
    assert "too few negative reviews" in str(spark_says.value)


@pytest.mark.spark
def test_a_model_of_the_other_engine_is_told_on_both(
    spark: SparkSession, trained: Manifest, tmp_path: Path
) -> None:
    rows = scored(60)
    embedded = to_bytes(fit([row[0] for row in rows], [row[1] for row in rows]))
    schema = pa.schema([("model", pa.binary())])
    foreign = Source(
        "parquet", {"model": "binary"}, (stored(tmp_path / "m", [(embedded,)], schema),)
    )
    with pytest.raises(SentimentError, match="fitted by the embedded engine, Spark cannot"):
        execute(spark, predict_job(tmp_path, ["fine"], foreign))
    with pytest.raises(PipelineError, match="fitted by Spark, the embedded engine cannot"):
        from_bytes(rows_of(trained)[0]["model"])


@pytest.mark.spark
def test_no_model_yet(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(SentimentError, match="no sentiment model yet"):
        execute(spark, predict_job(tmp_path, ["fine"], Source("parquet", MODEL)))


def test_entries_of_a_word_list_match_whole_words_and_beginnings() -> None:
    matches = re.compile(any_of(["good", "gold", "gloom*", "go", ":)", "a*", "up*", "upset"])).match
    for word in ("good", "gold", "gloom", "gloomy", "go", ":)", "a", "absorbing", "upset", "upper"):
        assert matches(word), word
    for word in ("goodness", "gol", "glo", "b", ":", "u"):
        assert not matches(word), word
