"""What a sample file's columns hold, alike in every format."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_assets.command.projects.inference import infer
from pipeline_assets.errors import PipelineError

ROWS = [
    {"Play Id": 1, "zip": "00712", "seconds": 1.5, "day": "2026-01-01", "class": "a", "on": True},
    {"Play Id": 2, "zip": "10115", "seconds": None, "day": "2026-01-02", "class": "", "on": False},
]
KINDS = {
    "play_id": "whole",
    "zip": "text",  # the leading zero belongs to the code
    "seconds": "number",
    "day": "date",
    "field_class": "text",
    "on": "truth",
}


def delimited(path: Path, delimiter: str) -> None:
    fields = [["" if it is None else str(it) for it in row.values()] for row in ROWS]
    path.write_text("".join(delimiter.join(line) + "\n" for line in [list(ROWS[0]), *fields]))


def written(folder: Path, ending: str) -> Path:
    path = folder / f"sample.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        delimited(path, "," if ending == "csv" else "\t")
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_every_format_shows_the_same_columns(tmp_path: Path, ending: str) -> None:
    found = infer(written(tmp_path, ending))
    assert found.kinds == KINDS
    assert found.records.fields["play_id"] == "Play Id"
    assert found.required == ("play_id", "zip", "day", "on")


def test_a_few_mistakes_leave_a_column_of_numbers_one_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n\n" + "1\n" * 99 + "?\n")
    assert infer(path).kinds == {"n": "whole"}
    path.write_text("n\n" + "1\n" * 9 + "?\n")
    assert infer(path).kinds == {"n": "text"}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.xlsx", "a", r"must end in \.csv, \.tsv, \.parquet or \.jsonl"),
        ("a.csv", "a,a\n1,2\n", "must name every column once"),
        ("a.csv", "a,b\n", "holds no sound record"),
        ("a.parquet", "a,b\n", "no whole Parquet file"),
    ],
)
def test_a_file_that_shows_nothing_is_told(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(PipelineError, match=told):
        infer(tmp_path / name)
