import json
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.engines.embedded.duckdb_sql import JOINS_AS_WRITTEN, source_query, sql_type
from pipeline_assets.engines.embedded.parsed_sql import nodes
from pipeline_assets.engines.standard_sql import identifier, literal
from pipeline_assets.landing.raw_text import split_into_parts
from spark_resources.job import Source, SourceFile


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_is_quoted_as_a_string(text: str) -> None:
    assert duckdb.sql(f"SELECT {literal(text)}").fetchall() == [(text,)]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_text_is_quoted_as_a_name(text: str) -> None:
    assert duckdb.sql(f"SELECT 1 AS {identifier(text)}").columns == [text]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("int", "INTEGER"),
        ("long", "BIGINT"),
        ("decimal(18,5)", "DECIMAL(18,5)"),
        ("list<float>", "FLOAT[]"),
        ("timestamp", "TIMESTAMP"),
        ("binary", "BLOB"),
    ],
)
def test_every_type_of_the_lake_has_one_of_duckdb(name: str, expected: str) -> None:
    assert sql_type(name) == expected
    (described,) = duckdb.sql(f"SELECT CAST(NULL AS {sql_type(name)}) AS x").types
    assert str(described) == expected


def test_a_source_without_files_is_an_empty_table_of_its_schema() -> None:
    empty = duckdb.sql(source_query(Source("parquet", {"day": "date", "plays": "long"})))
    assert (empty.columns, [str(type_) for type_ in empty.types]) == (
        ["day", "plays"],
        ["DATE", "BIGINT"],
    )
    assert empty.fetchall() == []


@given(
    st.lists(
        st.binary(max_size=40).filter(lambda line: b"\n" not in line), min_size=1, max_size=30
    ),
    st.integers(1, 60),
)
def test_any_bytes_are_lines_in_their_places(lines: list[bytes], part_bytes: int) -> None:
    text = b"".join(line + b"\n" for line in lines)
    parts = list(split_into_parts([text], part_bytes))
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            (Path(folder) / f"{part.number:05}").write_bytes(part.data)
        files = tuple(
            SourceFile(f"{folder}/{part.number:05}", first_line=part.first_line) for part in parts
        )
        source = Source("lines", {"line_number": "long", "line": "string"}, files)
        found = duckdb.sql(source_query(source)).fetchall()
    stored = b"".join(part.data for part in parts).decode().split("\n")[:-1]
    assert found == list(enumerate(stored, start=1))


def test_text_streams_past_the_table_that_it_is_joined_with(tmp_path: Path) -> None:
    """If DuckDB does so unasked one day, JOINS_AS_WRITTEN is not needed any more."""
    (tmp_path / "lines.csv").write_text("".join(f"{n}\n" for n in range(500_000)))
    lines = Source("lines", {"line": "string"}, (SourceFile(str(tmp_path / "lines.csv")),))
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW lines AS {source_query(lines)}")
        connection.execute(
            "CREATE TABLE known AS SELECT CAST(range AS VARCHAR) line FROM range(400000)"
        )
        assert "READ_CSV" in _held_in_memory(connection), "DuckDB holds all text in memory"
        connection.execute(JOINS_AS_WRITTEN)
        assert "READ_CSV" not in _held_in_memory(connection)


def _held_in_memory(connection: duckdb.DuckDBPyConnection) -> str:
    """The plan of the right side of a join of lines with a table."""
    sql = "EXPLAIN (FORMAT json) SELECT * FROM lines INNER JOIN known USING (line)"
    (_, plan) = connection.execute(sql).fetchone() or ("", "")
    (join,) = [it for it in nodes(json.loads(plan)) if it.get("name") == "HASH_JOIN"]
    return json.dumps(join["children"][1])
