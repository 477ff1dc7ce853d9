import datetime as dt
import decimal
import json
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipeline_assets_tests.spark_resources.jobs import LINES, a_job, lines, partitioned, text_file
from spark_resources.cluster import output
from spark_resources.cluster.entry_point import execute, run
from spark_resources.cluster.hadoop import read_text, write_text
from spark_resources.cluster.output import UnexpectedPartitionError
from spark_resources.cluster.sources import table
from spark_resources.job import Audit, Job, KeyedCheck, Manifest, Source, SourceFile

pytestmark = pytest.mark.spark

EVERY_TYPE = {
    "i": "int",
    "l": "long",
    "f": "float",
    "d": "double",
    "b": "boolean",
    "s": "string",
    "day": "date",
    "at": "timestamp",
    "raw": "binary",
    "money": "decimal(18,5)",
    "vector": "list<float>",
}
EVERY_VALUE_SQL = """
SELECT 1 AS i, 2 AS l, 0.5 AS f, 0.1 AS d, TRUE AS b, 'snö\\u2028' AS s, DATE '2020-02-29' AS day,
  TIMESTAMP '2020-02-29 23:59:59.123456' AS at, X'00ff' AS raw, 1.5 AS money,
  array(1, NULL) AS vector
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
"""


def rows(manifest: Manifest) -> list[dict[str, object]]:
    tables = [pq.ParquetFile(file.uri).read() for file in manifest.files]
    return pa.concat_tables(tables).to_pylist() if tables else []


def test_lines_end_at_line_feeds_only(spark: SparkSession, tmp_path: Path) -> None:
    source = lines(text_file(tmp_path / "in.txt", 'a\rb\u2028c"\n\n  d,\x01\nlast'))
    job = a_job(tmp_path / "out", "SELECT * FROM raw", LINES, raw=source)
    found = {row["line_number"]: row["line"] for row in rows(execute(spark, job))}
    assert found == {1: 'a\rb\u2028c"', 2: "", 3: "  d,\x01", 4: "last"}


def test_line_numbers_hold_when_files_are_cut_and_packed(
    spark: SparkSession, tmp_path: Path
) -> None:
    sizes = [0, 1, 5, 9000, 300, 2]
    files = []
    for number, size in enumerate(sizes):
        name = f"split=a%2Fb {{x}}/part[{number}]*.txt"
        text = "".join(f"{number} {line}\n" for line in range(size))
        first = 1000 * number + 1
        files.append(replace(text_file(tmp_path / name, text), first_line=first))
    session = spark.newSession()
    # The long file is cut into several pieces, and short ones share a Spark partition.
    session.conf.set("spark.sql.files.maxPartitionBytes", "20000")
    session.conf.set("spark.sql.files.openCostInBytes", "10")
    frame = table(session, "raw", lines(*files))
    assert 1 < frame.rdd.getNumPartitions() < len(files)
    found = frame.collect()
    assert len(found) == sum(sizes)
    for row in found:
        file, line = map(int, row["line"].split())
        assert row["line_number"] == 1000 * file + 1 + line


def test_line_numbers_are_not_counted_for_queries_without_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    frame = table(spark, "raw", lines(text_file(tmp_path / "in.txt", "a\nb\n")))
    plan = frame.filter("line > 'a'").select("line")._jdf.queryExecution().toString()
    assert "Subquery" not in plan.partition("== Optimized Logical Plan ==")[2]


def test_constants_belong_to_their_files(spark: SparkSession, tmp_path: Path) -> None:
    files = [
        replace(text_file(tmp_path / name, "x\n"), constants={"split": name, "day": "2020-01-01"})
        for name in ("it's", "b\\c")
    ]
    schema = {"split": "string", "day": "date", "line_number": "long"}
    source = lines(*files, split="string", day="date")
    job = a_job(tmp_path / "out", f"SELECT {', '.join(schema)} FROM raw", schema, raw=source)
    found = sorted(rows(execute(spark, job)), key=lambda row: str(row["split"]))
    day = dt.date(2020, 1, 1)
    assert found == [
        {"split": "b\\c", "day": day, "line_number": 1},
        {"split": "it's", "day": day, "line_number": 1},
    ]


def test_parquet_inputs_round_trip_every_type(spark: SparkSession, tmp_path: Path) -> None:
    first = execute(spark, a_job(tmp_path / "one", EVERY_VALUE_SQL, EVERY_TYPE))
    source = Source("parquet", EVERY_TYPE, tuple(SourceFile(file.uri) for file in first.files))
    job = a_job(tmp_path / "two", "SELECT * FROM before", EVERY_TYPE, before=source)
    second = execute(spark, job)
    assert sorted(rows(first), key=str) == sorted(rows(second), key=str)
    assert rows(second)[0] == {
        "i": 1,
        "l": 2,
        "f": 0.5,
        "d": 0.1,
        "b": True,
        "s": "snö\u2028",
        "day": dt.date(2020, 2, 29),
        "at": dt.datetime(2020, 2, 29, 23, 59, 59, 123456),
        "raw": b"\x00\xff",
        "money": decimal.Decimal("1.50000"),
        "vector": [1.0, None],
    }


def test_files_have_the_types_of_the_schema_and_no_field_ids(
    spark: SparkSession, tmp_path: Path
) -> None:
    manifest = execute(spark, a_job(tmp_path, EVERY_VALUE_SQL, EVERY_TYPE))
    schema = pq.ParquetFile(manifest.files[0].uri).schema
    by_name = {schema.column(i).path: schema.column(i) for i in range(len(schema))}
    assert by_name["f"].physical_type == "FLOAT"
    assert by_name["vector.list.element"].physical_type == "FLOAT"
    at, money = (json.loads(by_name[n].logical_type.to_json()) for n in ("at", "money"))
    assert (at["isAdjustedToUTC"], at["timeUnit"]) == (False, "microseconds")
    assert (money["precision"], money["scale"]) == (18, 5)
    assert "field_id=" not in str(schema).replace("field_id=-1", "")


def test_a_single_partition_is_a_folder_and_a_column(spark: SparkSession, tmp_path: Path) -> None:
    schema = {"n": "long", "split": "string"}
    job = a_job(tmp_path, "SELECT id AS n, 'a/b' AS split FROM range(10)", schema)
    manifest = execute(spark, partitioned(job, "split", "a/b"))
    assert manifest.rows == sum(file.rows for file in manifest.files) == 10
    for file in manifest.files:
        assert file.partition == "a/b"
        assert "/by_split=a%2Fb/" in file.uri
        content = Path(file.uri).read_bytes()
        assert (len(content), f"{crc32(content):08x}") == (file.bytes, file.crc32)
        assert set(pq.ParquetFile(file.uri).read()["split"].to_pylist()) == {"a/b"}


def test_many_partitions_are_one_write(spark: SparkSession, tmp_path: Path) -> None:
    schema = {"n": "long", "day": "date"}
    sql = "SELECT id AS n, date_add(DATE '2020-01-01', CAST(id % 3 AS INT)) AS day FROM range(90)"
    keys = ("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04")
    manifest = execute(spark, partitioned(a_job(tmp_path, sql, schema), "day", *keys))
    assert [(file.partition, file.rows) for file in manifest.files] == [(k, 30) for k in keys[:3]]
    for file in manifest.files:
        found = pq.ParquetFile(file.uri).read()["day"].to_pylist()
        assert {str(day) for day in found} == {file.partition}


def test_a_file_that_no_task_should_hold_in_memory_gets_no_checksum(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "SUMMED_BYTES", 100)
    job = a_job(tmp_path, "SELECT id AS n FROM range(0, 1000, 1, 1)", {"n": "long"})
    assert [file.crc32 for file in execute(spark, job).files] == [None]


@pytest.mark.parametrize("keys", [("train",), ("train", "test")])
@pytest.mark.parametrize("value", ["'other'", "CAST(NULL AS STRING)"])
def test_rows_of_a_foreign_partition_are_refused(
    spark: SparkSession, tmp_path: Path, keys: tuple[str, ...], value: str
) -> None:
    job = a_job(tmp_path, f"SELECT {value} AS split", {"split": "string"})
    with pytest.raises(UnexpectedPartitionError, match="must be one of train"):
        execute(spark, partitioned(job, "split", *keys))


@pytest.mark.parametrize("format_", ["lines", "parquet"])
def test_no_files_are_an_empty_table(spark: SparkSession, tmp_path: Path, format_: str) -> None:
    schema = {**LINES, "vector": "list<float>", "at": "timestamp"}
    nothing = Source(format_, schema)  # type: ignore[arg-type]
    job = a_job(tmp_path, "SELECT * FROM nothing", schema, nothing=nothing)
    manifest = execute(spark, partitioned(job, "line", "a"))
    assert (manifest.rows, manifest.files) == (0, ())


def test_a_join_with_no_files_is_no_join(spark: SparkSession) -> None:
    nothing = table(spark, "nothing", Source("parquet", {"id": "long", "name": "string"}))
    plan = spark.range(3).join(nothing, "id", "left_anti")._jdf.queryExecution().optimizedPlan()
    assert "Join" not in plan.toString()


def test_audit_sees_what_was_written(spark: SparkSession, tmp_path: Path) -> None:
    audit = Audit(
        "SELECT count(*) AS `rows`, count_if(n<0) AS negative, count_if(n>7) AS big FROM output",
        {
            "negative": "SELECT * FROM nowhere",
            "big": "SELECT n FROM output WHERE n > 7 LIMIT 5",
            "even": "SELECT n FROM output WHERE n % 2 = 1 LIMIT 1",
        },
        {"preview": "SELECT sum(n) AS total FROM output"},
        {"even": KeyedCheck(("n",), "SELECT count(*) FROM output WHERE n % 2 = 1")},
    )
    job = a_job(tmp_path, "SELECT id AS n FROM range(10)", {"n": "long"})
    manifest = execute(spark, replace(job, audit=audit))
    failed = {audit.name: audit.failed for audit in manifest.audits}
    assert failed == {"negative": 0, "big": 2, "even": 5}
    assert sorted(row["n"] for row in manifest.audits[1].examples) == [8, 9]
    assert manifest.reports["preview"] == ({"total": 45},)
    assert Manifest.from_json(manifest.to_json()) == manifest


def fixpoint(out: Path, max_rounds: int) -> Job:
    """Each round drops the largest number until five are left, which are then doubled."""
    sql = {
        "step_sql": "SELECT n FROM state WHERE n < 5 OR n < (SELECT max(n) FROM state)",
        "result_sql": "SELECT 2 * n AS n FROM state",
    }
    job = a_job(out, "SELECT id AS n FROM range(9)", {"n": "long"})
    return replace(job, kind="fixpoint", parameters={**sql, "max_rounds": max_rounds})


def test_fixpoint_repeats_until_nothing_changes(spark: SparkSession, tmp_path: Path) -> None:
    manifest = execute(spark, fixpoint(tmp_path, max_rounds=10))
    assert sorted(row["n"] for row in rows(manifest)) == [0, 2, 4, 6, 8]  # type: ignore[type-var]
    assert (manifest.facts["rounds"], manifest.facts["converged"]) == (5, True)
    assert not (tmp_path / "_work").exists()


def test_fixpoint_out_of_rounds_says_so(spark: SparkSession, tmp_path: Path) -> None:
    manifest = execute(spark, fixpoint(tmp_path, max_rounds=2))
    assert manifest.rows == 7
    assert (manifest.facts["rounds"], manifest.facts["converged"]) == (2, False)


def test_text_is_written_whole_or_not_at_all(spark: SparkSession, tmp_path: Path) -> None:
    uri = str(tmp_path / "new folder" / "m.json")
    write_text(spark, uri, "snö\n2")
    assert read_text(spark, uri) == "snö\n2"
    assert not (tmp_path / "new folder" / "m.json.draft").exists()


def test_two_drivers_of_one_attempt_write_into_folders_of_their_own(
    spark: SparkSession, tmp_path: Path
) -> None:
    """If the answer to a start is lost, the service may start the same job twice."""
    job = partitioned(a_job(tmp_path / "out", "SELECT 1 AS n", {"n": "int"}), "n", "1")
    (tmp_path / "job.json").write_text(job.to_json())
    manifests = []
    for driver in ("first", "second"):
        run(spark, str(tmp_path / "job.json"), str(tmp_path / driver))
        manifests.append(Manifest.from_json((tmp_path / driver).read_text()))
    assert [rows(manifest) for manifest in manifests] == [[{"n": 1}]] * 2
    folders = {Path(manifest.files[0].uri).parents[1] for manifest in manifests}
    assert len(folders) == 2
    assert {folder.parent for folder in folders} == {tmp_path / "out"}
