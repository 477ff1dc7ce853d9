import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.dataset.sql import schema_names
from pipeline_assets.engines.embedded.duckdb_sql import NUMBERED_SCANS
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.raw_text import split_into_parts
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.landing.plays import PLAYS, local_lake, record
from spark_resources.job import Audit, Destination, Job, Source, SourceFile, fresh_token

ENGINE = EmbeddedEngine(memory_limit_mib=256, threads=2)
COUNT = Audit("SELECT count(*) AS rows FROM output")
NUMBERED = {"line": "string", "member": "string", "line_number": "long"}
ODD_KEYS = (
    *("a/b c", "größe", "日本", "e\u0301", "x=1", "%2F", 'it\'s "so"', "*?[ab]", "{a,b}"),
    *(
        "day=mon",
        "..",
        "a\\b",
        "#",
        "01",
        "1",
        "null",
        "NULL",
        "__HIVE_DEFAULT_PARTITION__",
        "x" * 200,
    ),
)

Lines = list[tuple[str, int, str]]


def job(
    sql: str,
    schema: Mapping[str, str],
    uri: str,
    inputs: Mapping[str, Source] | None = None,
    audit: Audit = COUNT,
) -> Job:
    return Job("token", "query", inputs or {}, sql, schema, Destination(uri), audit)


def silently(_line: str) -> None:
    pass


def rows(files: Sequence[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for file in files:
        found += pq.read_table(file, partitioning=None).to_pylist()
    return found


def store(folder: Path, member: str, text: bytes, part_bytes: int) -> list[SourceFile]:
    """Store a vendor's file as extraction does."""
    parts = []
    for part in split_into_parts([text], part_bytes):
        path = folder / f"{part.number:05}-{member}"
        path.write_bytes(part.data)
        parts.append(SourceFile(str(path), {"member": member}, part.first_line))
    return parts


def read_lines(folder: Path, parts: Sequence[SourceFile]) -> Lines:
    source = Source("lines", NUMBERED, tuple(parts))
    manifest = ENGINE.run(
        job("SELECT * FROM raw", NUMBERED, str(folder / "out"), {"raw": source}), silently
    )
    found = rows([file.uri for file in manifest.files])
    return sorted((str(r["member"]), int(str(r["line_number"])), str(r["line"])) for r in found)


def test_a_job_writes_audits_and_reports(tmp_path: Path) -> None:
    audit = Audit(
        "SELECT count(*) AS rows, count(*) FILTER (n > 1) AS small FROM output",
        examples_sql={"small": "SELECT n FROM output WHERE n > 1 LIMIT 1"},
        report_sql={"preview": "SELECT * FROM output ORDER BY n"},
    )
    manifest = ENGINE.run(
        job("SELECT n FROM range(3) r(n)", {"n": "long"}, f"{tmp_path}/out", audit=audit), silently
    )
    assert (manifest.rows, manifest.token) == (3, "token")
    (small,) = manifest.audits
    assert (small.name, small.failed, small.examples) == ("small", 1, ({"n": 2},))
    assert manifest.reports["preview"] == ({"n": 0}, {"n": 1}, {"n": 2})
    assert sum(file.rows for file in manifest.files) == 3
    assert all(Path(file.uri).stat().st_size == file.bytes for file in manifest.files)


def test_long_rows_come_in_row_groups_of_fewer_of_them(tmp_path: Path) -> None:
    """DuckDB's own rule, a number of rows, takes memory beyond its limit for each."""
    sql = "SELECT range(n, n + 1000) AS numbers FROM range(16000) t(n)"
    wide = job(sql, {"numbers": "list<long>"}, f"{tmp_path}/out")
    manifest = EmbeddedEngine(memory_limit_mib=1024, threads=2).run(wide, silently)
    files = [pq.ParquetFile(file.uri).metadata for file in manifest.files]
    groups = [it.row_group(place).num_rows for it in files for place in range(it.num_row_groups)]
    assert sum(groups) == 16000
    assert max(groups) < 12000


def test_examples_are_looked_for_only_where_some_fail(tmp_path: Path) -> None:
    audit = Audit(
        "SELECT count(*) AS rows, 0 AS fine FROM output",
        examples_sql={"fine": "SELECT error('nobody asked for examples')"},
    )
    (fine,) = ENGINE.run(
        job("SELECT 1 AS n", {"n": "int"}, f"{tmp_path}/out", audit=audit), silently
    ).audits
    assert fine.failed == 0


def test_no_rows_give_no_files(tmp_path: Path) -> None:
    manifest = ENGINE.run(
        job("SELECT 1 AS n WHERE false", {"n": "int"}, str(tmp_path / "out")), silently
    )
    assert (manifest.rows, manifest.files) == (0, ())


def test_rows_can_come_from_this_process(tmp_path: Path) -> None:
    batches = (pa.RecordBatch.from_pydict({"n": [n, n]}) for n in range(30))
    write = job("SELECT n FROM records", {"n": "long"}, str(tmp_path / "out"))
    manifest = ENGINE.ingest(write, batches)
    assert manifest.rows == 60
    assert sorted(int(str(row["n"])) for row in rows([it.uri for it in manifest.files])) == [
        n // 2 for n in range(60)
    ]


def test_no_rows_from_this_process_give_no_files(tmp_path: Path) -> None:
    write = job("SELECT n FROM records", {"n": "long"}, str(tmp_path / "out"))
    manifest = ENGINE.ingest(write, [])
    assert (manifest.rows, manifest.files) == (0, ())


@pytest.mark.parametrize("sound", [0, 1, 50])
@pytest.mark.parametrize("error", [KeyError, OSError, PipelineError])
def test_an_error_of_whoever_yields_rows_comes_out_as_it_is(
    tmp_path: Path, sound: int, error: type[Exception]
) -> None:
    threads: set[str] = set()

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(sound):
            threads.add(threading.current_thread().name)
            yield pa.RecordBatch.from_pydict({"n": [n]})
        raise error("the vendor sent a picture")

    write = job("SELECT n FROM records", {"n": "long"}, str(tmp_path / "out"))
    before = threading.active_count()
    with pytest.raises(error, match=r"^'?the vendor sent a picture'?$") as raised:
        ENGINE.ingest(write, batches())
    assert type(raised.value) is error
    assert threads <= {threading.current_thread().name}
    assert threading.active_count() == before


def test_rows_that_cannot_be_written_end_whoever_yields_them(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    endless = (pa.RecordBatch.from_pydict({"n": [n]}) for n in count())
    with pytest.raises(PipelineError, match=r"^Embedded engine: .*out"):
        ENGINE.ingest(job("SELECT n FROM records", {"n": "long"}, f"{tmp_path}/out"), endless)
    texts = (pa.RecordBatch.from_pydict({"n": [f"number {n}"]}) for n in count())
    with pytest.raises(PipelineError, match=r"Could not convert string 'number \d+'"):
        ENGINE.ingest(job("SELECT n FROM records", {"n": "long"}, f"{tmp_path}/two"), texts)


def test_columns_are_written_in_the_types_that_were_asked_for(tmp_path: Path) -> None:
    sums = "SELECT sum(n) AS whole, sum(n::DECIMAL(18,5)) AS money, 1 AS one FROM range(3) r(n)"
    schema = {"one": "int", "whole": "long", "money": "decimal(18,5)"}
    (file,) = ENGINE.run(job(sums, schema, str(tmp_path / "out")), silently).files
    written = pq.read_schema(file.uri)
    assert dict(zip(written.names, map(str, written.types), strict=True)) == {
        "one": "int32",
        "whole": "int64",
        "money": "decimal128(18, 5)",
    }


def test_a_column_that_older_files_lack_is_null(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), tmp_path / "old.parquet")
    schema = {"n": "long", "added": "string"}
    source = Source("parquet", schema, (SourceFile(str(tmp_path / "old.parquet")),))
    manifest = ENGINE.run(
        job("SELECT * FROM older", schema, str(tmp_path / "out"), {"older": source}), silently
    )
    assert rows([file.uri for file in manifest.files]) == [{"n": 1, "added": None}]


def test_a_column_that_newer_code_dropped_is_not_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"dropped": ["x"], "n": [1]}), tmp_path / "old.parquet")
    source = Source("parquet", {"n": "long"}, (SourceFile(str(tmp_path / "old.parquet")),))
    inputs = {"older": source}
    manifest = ENGINE.run(
        job("SELECT * FROM older", {"n": "long"}, f"{tmp_path}/out", inputs), silently
    )
    assert rows([file.uri for file in manifest.files]) == [{"n": 1}]


@pytest.mark.parametrize("keys", [ODD_KEYS, *((key,) for key in ODD_KEYS[:6])])
def test_any_key_survives_engine_and_lake(tmp_path: Path, keys: tuple[str, ...]) -> None:
    lake = local_lake(tmp_path / "it's a %20 [lake]?")
    table = pa.table({"listener": ["ada"] * len(keys), "plays": range(len(keys)), "day": keys})
    schema = schema_names(PLAYS.contract.schema)
    write = job("SELECT * FROM records", schema, f"{lake.location(PLAYS)}/data/token")
    write = replace(
        write, destination=replace(write.destination, partition_column="day", partition_keys=keys)
    )
    manifest = ENGINE.ingest(write, table.to_batches())
    assert {file.partition for file in manifest.files} == set(keys)
    lake.publish(PLAYS, [file.uri for file in manifest.files], dict.fromkeys(keys, record()))
    for plays, key in enumerate(keys):
        state = lake.read(PLAYS, [key])
        expected = {"listener": "ada", "plays": plays, "day": key}
        assert lake.rows(PLAYS, state).to_pylist() == [expected]
        assert rows(state.files) == [expected]
    state = lake.read(PLAYS)
    source = Source("parquet", schema, tuple(SourceFile(file) for file in state.files))
    again = job("SELECT day FROM plays", {"day": "string"}, f"{tmp_path}/again", {"plays": source})
    days = rows([file.uri for file in ENGINE.run(again, silently).files])
    assert {row["day"] for row in days} == set(keys)


def test_lines_are_numbered_through_all_parts_of_every_source(tmp_path: Path) -> None:
    members = ("skeleton", "common")
    texts = {
        m: b"".join(b"%d of %s\n" % (n + 1, m.encode()) for n in range(20_000)) for m in members
    }
    parts = {member: store(tmp_path, member, text, 40_000) for member, text in texts.items()}
    assert all(len(stored) > 5 for stored in parts.values())
    found = read_lines(tmp_path, [part for member in members for part in parts[member]])
    assert len(found) == 40_000
    assert all(line == f"{number} of {member}" for member, number, line in found)


def test_some_parts_of_a_source_keep_their_numbers(tmp_path: Path) -> None:
    parts = store(tmp_path, "m", b"".join(b"%d\n" % (n + 1) for n in range(100)), 50)
    found = read_lines(tmp_path, parts[3:5])
    assert found
    assert all(line == str(number) for _, number, line in found)


def test_lines_are_text_and_nothing_in_them_is_special(tmp_path: Path) -> None:
    odd = [
        "",
        "a,b",
        '"',
        '"a"b',
        "'",
        "\\",
        "a\0b",
        "\x1ax",
        "\t",
        "#",
        "NULL",
        "\x1c",
        " a ",
        "é",
        "",
    ]
    parts = store(tmp_path, "m", "".join(f"{line}\n" for line in odd).encode(), 1_000)
    lines = [line for _, _, line in read_lines(tmp_path, parts)]
    expected = [r"\x1ax" if line == "\x1ax" else line for line in odd]
    assert [line.removeprefix("\x1a") for line in lines] == expected


def test_more_data_than_memory_is_sorted_on_disk(tmp_path: Path) -> None:
    sql = "SELECT md5(n::VARCHAR) AS hash, n FROM range(1_000_000) r(n) ORDER BY hash"
    in_memory = duckdb.connect(config={"memory_limit": "64MiB", "temp_directory": ""})
    with in_memory, pytest.raises(duckdb.OutOfMemoryException):
        in_memory.execute(f"CREATE TABLE sorted AS {sql}")
    engine = EmbeddedEngine(memory_limit_mib=64, threads=2, spill_dir=tmp_path / "spills")
    (tmp_path / "spills").mkdir()
    schema = {"hash": "string", "n": "long"}
    assert engine.run(job(sql, schema, str(tmp_path / "out")), silently).rows == 1_000_000
    assert list((tmp_path / "spills").iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT * FROM no_such_table", r"Table with name no_such_table does not exist"),
        ("SELECT CAST('x' AS INTEGER) AS n", r"Could not convert string 'x' to INT32"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(tmp_path: Path, sql: str, told: str) -> None:
    with pytest.raises(PipelineError, match=f"^Embedded engine: .*{told}") as raised:
        ENGINE.run(job(sql, {"n": "int"}, str(tmp_path / "out")), silently)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_told_with_its_name(tmp_path: Path) -> None:
    source = Source("parquet", {"n": "int"}, (SourceFile(f"{tmp_path}/gone.parquet"),))
    with pytest.raises(PipelineError, match=r"gone\.parquet"):
        ENGINE.run(job("SELECT * FROM t", {"n": "int"}, f"{tmp_path}/out", {"t": source}), silently)


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"[Ee]xtension"):
        ENGINE.run(job("SELECT ST_Point(1, 2) AS n", {"n": "binary"}, f"{tmp_path}/out"), silently)


def test_a_job_reads_and_writes_s3(s3: S3Access, s3_store: S3Store, bucket: str) -> None:
    lines = b"".join(b"%d\n" % n for n in range(1, 101))
    for number, part in enumerate(split_into_parts([lines], 100)):
        s3_store.put(f"{bucket}/raw/a%2Fb/{number:05}", part.data)
    uris = [item.uri for item in s3_store.list(f"{bucket}/raw")]
    firsts = [part.first_line for part in split_into_parts([lines], 100)]
    files = tuple(SourceFile(uri, {"member": "m"}, n) for uri, n in zip(uris, firsts, strict=True))
    inputs = {"raw": Source("lines", NUMBERED, files)}
    manifest = replace(ENGINE, s3=s3).run(
        job(
            "SELECT * FROM raw WHERE line = line_number::VARCHAR", NUMBERED, f"{bucket}/out", inputs
        ),
        silently,
    )
    assert manifest.rows == 100
    assert {item.uri for item in s3_store.list(f"{bucket}/out")} == {f.uri for f in manifest.files}


def test_lines_of_many_files_are_numbered_through_on_several_threads(tmp_path: Path) -> None:
    lines = [f"{number}" * 20 for number in range(1, 5_001)]
    parts = store(tmp_path, "lines", ("\n".join(lines) + "\n").encode(), part_bytes=10_000)
    assert len(parts) > NUMBERED_SCANS
    source = {"raw": Source("lines", NUMBERED, tuple(parts))}
    for sql in ("SELECT * FROM raw", "SELECT DISTINCT * FROM raw"):
        manifest = ENGINE.run(job(sql, NUMBERED, str(tmp_path / fresh_token()), source), silently)
        found = rows([file.uri for file in manifest.files])
        numbered = sorted((int(str(row["line_number"])), str(row["line"])) for row in found)
        assert numbered == list(enumerate(lines, start=1))
