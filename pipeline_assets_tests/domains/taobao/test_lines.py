from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.domains.taobao.lines import (
    COMMON,
    SKELETON,
    Layout,
    accepted,
    columns,
    rejected,
    tokens,
)
from pipeline_assets.landing.raw_text import split_into_parts
from pipeline_assets_tests.truth import taobao_verdict as verdict

GOOD = {
    SKELETON: b"12,1,0,9f3a,2,205\x024350000\x031.0\x01210\x029020001\x030.69315",
    COMMON: b"9f3a,2,101\x0211\x031.0\x01109_14\x02450001\x032.3979",
}
COLUMNS = {SKELETON: verdict.SKELETON, COMMON: verdict.COMMON}
LINES = ibis.table(
    {
        **dict.fromkeys(("line", "source_uri", "member", "split"), "string"),
        **dict.fromkeys(("line_number", "unterminated_line"), "int64"),
    },
    name="lines",
)
REJECTED = ibis.table(
    dict.fromkeys(("source_uri", "member", "reason", "raw", "split"), "string")
    | {"line_number": "int64"},
    name="rejected_rows",
)


@cache
def duck() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@cache
def sql(layout: Layout, what: str) -> str:
    kept = columns(accepted(LINES, REJECTED, layout), layout)
    key = layout.columns[0]
    table = {
        "rejected": rejected(LINES, layout),
        "kept": kept,
        "tokens": tokens(kept, key),
    }[what]
    return to_sql(table, "duckdb")


def stored(text: bytes, member: str) -> pa.Table:
    """Lines of a file as they come out of raw storage."""
    parts = list(split_into_parts([text], part_bytes=200))
    lines = b"".join(part.data for part in parts).decode().split("\n")[:-1]
    last_is_cut = bool(parts) and not parts[-1].terminated
    return pa.table(
        {
            "line": pa.array(lines, pa.string()),
            "source_uri": ["archive#file"] * len(lines),
            "member": [member] * len(lines),
            "split": ["train"] * len(lines),
            "line_number": pa.array(range(1, len(lines) + 1), pa.int64()),
            "unterminated_line": [len(lines) if last_is_cut else 0] * len(lines),
        }
    )


def read(text: bytes, layout: Layout, *what: str) -> list[list[dict[str, Any]]]:
    """Rejected rows, then what else is asked for."""
    connection = duck()
    connection.register("lines", stored(text, layout.member))
    damaged = connection.execute(sql(layout, "rejected")).to_arrow_table()
    connection.register("rejected_rows", damaged)
    asked = [connection.execute(sql(layout, each)).to_arrow_table() for each in what]
    return [table.to_pylist() for table in (damaged, *asked)]


def reasons(text: bytes, layout: Layout = SKELETON) -> dict[int, str]:
    return {row["line_number"]: row["reason"] for row in read(text, layout)[0]}


def changed(layout: Layout, **values: bytes) -> bytes:
    """A good line with some columns changed."""
    fields = dict(zip(layout.columns, GOOD[layout].split(b","), strict=True)) | values
    return b",".join(fields.values())


ODD_TEXTS = ("é", "\u0663", "\uff11", "\x85", "\u2028", "\ufeff", "日本")
ODD_BYTES = [bytes([byte]) for byte in b'",\0\1\2\3\t\r\x1a\x1c\x7f\xff']
NASTY_BYTES = st.sampled_from(
    [*(bytes([byte]) for byte in b"07x .-e+\\"), b"", *ODD_BYTES]
    + [text.encode() for text in ODD_TEXTS]
)
NASTY_TOKENS = st.sampled_from(
    """
    205:1=1.0 109_14:2=-0.5e-3 a_b:0=1 := 1:=2 1:2= 1:2 1:999999999999999999=1
    1:9999999999999999999=1 1:2=1. 1:2=.5 1:2=nan 1:2=inf 1:2=1e999 1:2=1e99 é:1=1 1:2=1:1=1
    1:2=+1 1:_2=1 1:2=0001.50 1:2=-0 1:2=123456789012345678.123456789012345678
    """.replace(":", "\2")
    .replace("=", "\3")
    .encode()
    .split()
)
FIELDS = st.one_of(
    st.sampled_from([b"1", b"0", b"2", b"", b"01", b"-1", b"1.0", b"9" * 9, b"9" * 18, b"9" * 19]),
    st.lists(NASTY_BYTES, max_size=3).map(b"".join),
)


@st.composite
def nasty_lines(draw: st.DrawFn, layout: Layout) -> bytes:
    """Lines that are good but for a thing or two."""
    fields = GOOD[layout].split(b",")
    if draw(st.booleans()):
        fields[-1] = b"\x01".join(draw(st.lists(NASTY_TOKENS, max_size=4)))
        fields[-2] = str(fields[-1].count(b"\x01") + draw(st.integers(0, 1))).encode()
    if draw(st.booleans()):
        fields[draw(st.integers(0, len(fields) - 1))] = draw(FIELDS)
    line = b",".join(fields)
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(line)))
        line = line[:place] + draw(NASTY_BYTES) + line[place + draw(st.integers(0, 2)) :]
    return line.replace(b"\n", b"")


def files(layout: Layout) -> st.SearchStrategy[tuple[list[bytes], bool]]:
    return st.tuples(st.lists(nasty_lines(layout), min_size=1, max_size=20), st.booleans())


def expected_reasons(lines: Sequence[bytes], terminated: bool, layout: Layout) -> dict[int, str]:
    ends = [b"\n"] * (len(lines) - 1) + [b"\n" if terminated else b""]
    texts = [line + end for line, end in zip(lines, ends, strict=True)]
    verdicts = [verdict.rejection(text, COLUMNS[layout]) if text else None for text in texts]
    return {number: reason for number, reason in enumerate(verdicts, start=1) if reason}


@pytest.mark.parametrize("layout", [SKELETON, COMMON], ids=["skeleton", "common"])
@settings(max_examples=40)
@given(data=st.data())
def test_the_verdict_is_that_of_the_specification(layout: Layout, data: st.DataObject) -> None:
    lines, terminated = data.draw(files(layout))
    text = b"\n".join(lines) + (b"\n" if terminated else b"")
    assert reasons(text, layout) == expected_reasons(lines, terminated, layout)


def parsed(lines: Iterable[bytes]) -> list[tuple[str, str, int, float]]:
    """Tokens as a plain reading finds them."""
    found = []
    for line in lines:
        key, *_, features = line.decode().split(",")
        for token in filter(None, features.split("\x01")):
            name, rest = token.split("\x02")
            number, value = rest.split("\x03")
            found.append((key, name, int(number), float(value)))
    return sorted(found)


@pytest.mark.parametrize("layout", [SKELETON, COMMON], ids=["skeleton", "common"])
@settings(max_examples=40)
@given(data=st.data())
def test_every_token_of_every_accepted_line_is_kept(layout: Layout, data: st.DataObject) -> None:
    lines = data.draw(st.lists(nasty_lines(layout), min_size=1, max_size=20, unique=True))
    text = b"".join(line + b"\n" for line in lines)
    damaged, kept, found = read(text, layout, "kept", "tokens")
    fine = [line for line in lines if verdict.rejection(line + b"\n", COLUMNS[layout]) is None]
    assert len(damaged) + len(kept) == len(lines)
    key = layout.columns[0]
    names = (key, "feature_name", "feature_id", "feature_value")
    read_tokens = sorted(tuple(row[name] for name in names) for row in found)
    expected = parsed(line.removesuffix(b"\r") for line in fine)
    assert read_tokens == expected


def test_a_field_that_repeats_gives_a_row_each_time() -> None:
    features = b"\x01".join([b"210\x029\x031.0", b"210\x028\x031.0", b"210\x029\x030.5"])
    line = changed(SKELETON, feature_num=b"3", features=features)
    _, found = read(line + b"\n", SKELETON, "tokens")
    assert [(row["feature_name"], row["feature_id"], row["feature_value"]) for row in found] == [
        ("210", 9, 1.0),
        ("210", 8, 1.0),
        ("210", 9, 0.5),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"features": b"", "feature_num": b"0"}, None),
        ({"features": b"205\x021\x031.0\x01"}, None),
        ({"feature_num": b"7"}, None),
        ({"sample_id": b"12a"}, "bad_sample_id"),
        ({"click": b"2"}, "bad_label"),
        ({"conversion": b""}, "bad_label"),
        ({"index": b""}, "bad_index"),
        ({"feature_num": b"many"}, "bad_feature_num"),
        ({"features": b"205\x02abc\x031.0"}, "bad_token"),
        ({"features": b"205\x021\x031.0\x01\x01210\x021\x031.0"}, "bad_token"),
        ({"features": b"\x01205\x021\x031.0"}, "bad_token"),
        ({"features": b"205\x021\x03one"}, "bad_token"),
        ({"features": b"205\x021\x031.0,"}, "field_count"),
        ({"index": b"\xff"}, "undecodable"),
        ({"index": b"a\rb"}, "undecodable"),
        (
            {"click": b"2", "conversion": b"", "index": b"", "features": b"x"},
            "bad_label, bad_index, bad_token",
        ),
    ],
)
def test_what_is_wrong_with_a_line(change: dict[str, bytes], reason: str | None) -> None:
    assert reasons(changed(SKELETON, **change) + b"\n") == ({1: reason} if reason else {})


@pytest.mark.parametrize(
    ("last", "is_cut"),
    [
        (GOOD[SKELETON], False),
        (GOOD[SKELETON][:-2], False),  # a shorter number: nobody can tell
        (GOOD[SKELETON].rpartition(b"\x01")[0], True),
        (GOOD[SKELETON].rpartition(b"\x02")[0], True),
        (b"12,1", True),
    ],
)
def test_a_file_that_ends_inside_a_line(last: bytes, is_cut: bool) -> None:
    text = changed(SKELETON, sample_id=b"11") + b"\n" + last
    assert reasons(text) == ({2: "cut_line"} if is_cut else {})


def test_an_empty_line_has_a_reason_of_its_own() -> None:
    assert reasons(GOOD[SKELETON] + b"\n\n\r\n") == {2: "empty_line", 3: "empty_line"}


@pytest.mark.parametrize(("copies", "kept"), [(0, 1), (1, 2), (3, 4)])
def test_a_line_that_the_file_ends_in_a_copy_of_is_kept(copies: int, kept: int) -> None:
    line = changed(SKELETON, feature_num=b"9")
    text = changed(SKELETON, sample_id=b"11") + b"\n" + (line + b"\n") * copies + line
    damaged, found = read(text, SKELETON, "kept")
    assert [(row["line_number"], row["reason"]) for row in damaged] == [(copies + 2, "cut_line")]
    assert len(found) == kept


def test_copies_of_a_cut_line_that_are_damaged_themselves_stay_rejected() -> None:
    text = b"12,1\n12,1\n12,1"
    damaged, found = read(text, SKELETON, "kept")
    assert [row["reason"] for row in damaged] == ["field_count", "field_count", "cut_line"]
    assert found == []


def test_rejected_lines_are_kept_with_their_place() -> None:
    text = GOOD[COMMON] + b"\nx,y\n" + changed(COMMON, index=b"\xff")
    damaged, kept = read(text + b"\n", COMMON, "kept")
    assert damaged[0] == {
        "source_uri": "archive#file",
        "member": "common_features",
        "line_number": 2,
        "reason": "field_count",
        "raw": "x,y",
        "split": "train",
    }
    assert [row["raw"][:6] for row in damaged] == ["x,y", "\x1a\\xff,"]
    assert len(kept) == 1
