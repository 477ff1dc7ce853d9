from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.engines.embedded.comparing import counting
from spark_resources.job import Source, SourceFile

Rows = list[tuple[str, int | None, list[float]]]


def counted(folder: Path, key: list[str], before: Rows, after: Rows) -> tuple[int, ...]:
    schema = {"name": "string", "plays": "long", "vector": "list<double>"}
    sources = []
    for number, rows in enumerate((before, after)):
        file = folder / f"{number}.parquet"
        columns = zip(*rows, strict=True) if rows else ([], [], [])
        table = dict(zip(schema, map(list, columns), strict=True))
        types = pa.schema(
            {"name": pa.string(), "plays": pa.int64(), "vector": pa.list_(pa.float64())}
        )
        pq.write_table(pa.table(table, schema=types), file)
        sources.append(Source("parquet", schema, (SourceFile(str(file)),) if rows else ()))
    with duckdb.connect() as connection:
        (found,) = connection.sql(counting(key, list(schema), *sources)).fetchall()
    return tuple(found)


ADA, BOB = ("ada", 1, [0.5]), ("bob", None, [1.0])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([ADA, BOB], [BOB, ADA], (0, 0, 0)),
        ([ADA], [ADA, BOB], (1, 0, 0)),
        ([ADA, BOB], [ADA], (0, 1, 0)),
        ([ADA, BOB], [("ada", 2, [0.5]), ("bob", 3, [1.0])], (0, 0, 2)),
        ([BOB], [("bob", None, [1.5])], (0, 0, 1)),
        ([], [ADA, BOB], (2, 0, 0)),
        ([ADA, BOB], [], (0, 2, 0)),
    ],
)
def test_rows_with_a_key_are_added_removed_or_changed(
    tmp_path: Path, before: Rows, after: Rows, expected: tuple[int, ...]
) -> None:
    assert counted(tmp_path, ["name"], before, after) == expected


def test_rows_without_a_key_are_counted_as_often_as_they_are_there(tmp_path: Path) -> None:
    assert counted(tmp_path, [], [ADA, ADA, BOB], [ADA, ("ada", 2, [])]) == (1, 2, 0)
    assert counted(tmp_path, [], [ADA, BOB], [BOB, ADA]) == (0, 0, 0)
