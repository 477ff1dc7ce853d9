"""What `query` writes: whatever a vendor has put into a text, a terminal and a program are safe."""

import csv
import io
import json
import pty
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_assets.command import console
from pipeline_assets.command.console import Format, show
from pipeline_assets.reading.query import Answer

CLEAR_SCREEN = "\x1b[2J"
ONE_CHARACTER_CSI = "\x9b31m"
HIDING = [CLEAR_SCREEN, ONE_CHARACTER_CSI, "\x07", "a\rb", "\u202egpj.exe", "\x7f"]

Write = Callable[..., str]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Write:
    def write(format_: Format, columns: tuple[str, ...], *rows: tuple[Any, ...]) -> str:
        show(Answer(columns, iter(rows)), format_)
        return capsys.readouterr().out

    return write


@pytest.mark.parametrize("text", HIDING)
@pytest.mark.parametrize("format_", ["table", "json"])
def test_control_characters_are_written_as_escapes(
    written: Write, format_: Format, text: str
) -> None:
    out = written(format_, ("artist",), (text,))
    assert not any(character in out for character in text if not character.isprintable())


@pytest.mark.parametrize("text", HIDING)
def test_csv_is_exact_for_programs_and_safe_in_a_terminal(
    written: Write, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert list(csv.reader(io.StringIO(written("csv", ("n",), (text,)), newline=""))) == [
        ["n"],
        [text],
    ]
    _, terminal = pty.openpty()
    with open(terminal, "w") as screen, monkeypatch.context() as patch:
        said: list[str] = []
        patch.setattr(screen, "write", said.append, raising=False)
        patch.setattr("sys.stdout", screen)
        show(Answer(("n",), iter([(text,)])), "csv")
    assert "".join(said).replace("\n", "").isprintable()


def test_a_table_shows_texts_as_they_are(written: Write) -> None:
    out = written("table", ("[bold]n",), ("[red]12[/red] :smile:",))
    assert "[bold]n" in out
    assert "[red]12[/red] :smile:" in out


def test_json_is_json(written: Write) -> None:
    nan, inf = float("nan"), float("inf")
    out = written("json", ("a", "b", "c"), (nan, [inf, 1.5], {"x": nan, "y": None}))

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(out, parse_constant=refuse)
    assert found == [{"a": None, "b": [None, 1.5], "c": {"x": None, "y": None}}]


def test_columns_of_the_same_name_are_all_there(written: Write) -> None:
    out = written("json", ("n", "n", "n_2", "n"), (1, 2, 3, 4))
    assert json.loads(out) == [{"n": 1, "n_2": 2, "n_2_2": 3, "n_3": 4}]


def test_csv_tells_null_from_nothing_and_writes_nested_values_as_json(written: Write) -> None:
    rows = [(None, "", [1.5, None], {"k": "v"}), (True, "a,b", ['"'], Decimal("1.50"))]
    lines = written("csv", ("a", "b", "c", "d"), *rows).splitlines()
    assert lines[1] == ',"","[1.5, null]","{""k"": ""v""}"'
    assert lines[2] == 'true,"a,b","[""\\""""]",1.50'


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text()), max_size=5))
def test_csv_is_read_again_as_it_was(rows: list[tuple[str | None, str | None]]) -> None:
    """By a reader that tells null from an empty text."""
    text = "".join(",".join(map(console._csv_field, row)) + "\n" for row in rows)
    assert [tuple(row) for row in read_as_postgres_does(text)] == rows


def read_as_postgres_does(text: str) -> list[list[str | None]]:
    rows: list[list[str | None]] = []
    row: list[str | None] = []
    place = 0
    while place < len(text):
        if text[place] == '"':
            end = place + 1
            value = ""
            while text[end] != '"' or text[end + 1] == '"':
                value += text[end]
                end += 2 if text[end] == '"' else 1
            field: str | None = value
            end += 1
        else:
            end = next(n for n in range(place, len(text)) if text[n] in ",\n")
            field = text[place:end] or None
        row.append(field)
        if text[end] == "\n":
            rows.append(row)
            row = []
        place = end + 1
    return rows


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_every_type_of_duckdb_is_written(written: Write, format_: Format) -> None:
    sql = """
        SELECT 1::hugeint AS a, 1.50::decimal(5, 2) AS b, DATE '2026-01-02' AS c,
               TIMESTAMP '2026-01-02 03:04:05' AS d, INTERVAL 1 DAY AS e, 'x'::blob AS f,
               MAP {DATE '2026-01-02': 1.0::float} AS g, {'k': [NULL, 'NaN'::double]} AS h,
               uuid() AS i, TIME '03:04:05' AS j, NULL AS k, [DATE '2026-01-02'] AS l"""
    cursor = duckdb.execute(sql)
    names = tuple(column[0] for column in cursor.description or ())
    out = written(format_, names, *cursor.fetchall())
    if format_ == "json":
        (row,) = json.loads(out)
        assert row["g"] == {"2026-01-02": 1.0}
        assert row["h"] == {"k": [None, None]}
        assert (row["b"], row["c"]) == ("1.50", str(date(2026, 1, 2)))
        assert row["d"] == str(datetime(2026, 1, 2, 3, 4, 5))
