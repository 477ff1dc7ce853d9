"""The SQL around a job, as Athena gets it."""

from dataclasses import replace

import pytest

from pipeline_assets.engines.athena.output import _partition
from pipeline_assets.engines.athena.refusals import refuse
from pipeline_assets.engines.athena.statements import pinned, unloads
from pipeline_assets.errors import PipelineError
from pipeline_assets_tests.engines.athena.rig import HOME, JOB, a_job
from spark_resources.job import CatalogTable, Destination, Source, SourceFile

REVIEWS = CatalogTable("ratings.reviews", {"stars": "stars", "category": "category"}, "category")
SOURCE = Source(
    "parquet",
    {"stars": "int", "category": "string"},
    (SourceFile("s3://lake/x"),),
    snapshot_id=7,
    table=REVIEWS,
)


def test_an_input_is_a_snapshot_and_its_partitions() -> None:
    some = replace(SOURCE, table=replace(REVIEWS, partitions=("a", "it's")))
    assert pinned('SELECT * FROM "reviews"', {"reviews": some, "unused": SOURCE}) == (
        'WITH "reviews" AS (SELECT CAST("stars" AS INTEGER) AS "stars", '
        'CAST("category" AS VARCHAR) AS "category" FROM "ratings"."reviews" '
        "FOR VERSION AS OF 7 WHERE \"category\" IN ('a', 'it''s')) "
        'SELECT * FROM (SELECT * FROM "reviews")'
    )


def test_a_day_is_compared_as_a_day() -> None:
    days = CatalogTable("rentals.x", {"day": "day"}, "day", ("2026-01-01",))
    source = replace(SOURCE, schema={"day": "date"}, table=days)
    assert "WHERE \"day\" IN (CAST('2026-01-01' AS DATE))" in pinned('"x"', {"x": source})


def test_a_renamed_column_is_read_by_its_old_name_and_a_new_one_is_null() -> None:
    older = replace(REVIEWS, columns={"stars": "rating", "category": "category"})
    source = replace(SOURCE, schema={**SOURCE.schema, "new": "date"}, table=older)
    sql = pinned('"reviews"', {"reviews": source})
    assert 'CAST("rating" AS INTEGER) AS "stars"' in sql
    assert 'CAST(NULL AS DATE) AS "new"' in sql


def test_what_was_never_published_is_empty() -> None:
    sql = pinned('"reviews"', {"reviews": replace(SOURCE, files=())})
    assert "ratings" not in sql
    assert "WHERE FALSE" in sql


def test_one_partition_needs_no_folders() -> None:
    (statement,) = unloads(a_job("a", token="t"))
    assert statement == (
        'UNLOAD (SELECT CAST("n" AS INTEGER) AS "n", CAST("key" AS VARCHAR) AS "key" FROM '
        f"(SELECT * FROM (VALUES (0, 'a')) AS t(\"n\", \"key\"))) TO '{HOME}/t/0/' "
        "WITH (format = 'PARQUET', compression = 'ZSTD')"
    )


def test_the_last_statement_takes_what_no_other_does() -> None:
    first, last = unloads(a_job(*(f"k{n}" for n in range(101)), token="t"))
    assert "partitioned_by = ARRAY['by_key']" in first
    assert "IN ('k0', 'k1', " in first
    assert "'k100'" not in first.partition(" WHERE ")[2]
    assert "NOT IN ('k0', 'k1', " in last
    assert 'OR CAST("key" AS VARCHAR) IS NULL' in last


def test_the_partition_of_a_file_is_its_folders() -> None:
    to = Destination("s3://lake/x", "key", ("b c/ä", "d"))
    assert _partition("s3://lake/x/0/by_key=b c%2F%C3%A4/file", to) == "b c/ä"


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (replace(JOB, kind="fixpoint"), "x/y: it repeats a query until nothing changes (k-core)"),
        (replace(JOB, kind="word2vec"), "x/y: it learns (word2vec)"),
        (replace(JOB, schema={"at": "timestamp"}), "cuts timestamps (`at`) to milliseconds"),
        (
            replace(JOB, inputs={"raw": Source("lines", {})}, sql='SELECT * FROM "raw"'),
            "`raw` is raw text",
        ),
        (replace(JOB, sql=f"SELECT '{'x' * 262_144}' AS \"n\""), "and Athena takes 262,144"),
    ],
    ids=["k-core", "learning", "timestamps", "raw-text", "length"],
)
def test_what_athena_cannot_do_is_told_with_the_way_out(job: object, told: str) -> None:
    with pytest.raises(PipelineError) as caught:
        refuse(job)  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert '{"x/y": "embedded"}' in str(caught.value)
