import csv
import gzip
import io
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline_assets.errors import PipelineError
from pipeline_assets.landing import delimited_reader
from pipeline_assets.landing.delimited import (
    RFC_4180,
    TSV,
    Columns,
    Dialect,
    FileReport,
)
from pipeline_assets.landing.delimited_reader import read_delimited
from pipeline_assets.landing.records import PROBLEMS

Row: TypeAlias = tuple[list[str] | None, str | None, str | None]

AB = Columns(("a", "b"))
BLOCK_SIZES = st.sampled_from([1, 2, 3, 5, 16, 1 << 20])


@dataclass(frozen=True)
class Read:
    """What came of reading files: all rows as dicts, and the account of each file."""

    rows: list[dict[str, Any]]
    reports: list[FileReport]

    @property
    def values(self) -> list[tuple[str, ...]]:
        own = ("source_uri", "row_number", "problem", "raw")
        return [tuple(v for k, v in row.items() if k not in own) for row in self.rows]

    @property
    def problems(self) -> list[tuple[int, str, str]]:
        return [(r["row_number"], r["problem"], r["raw"]) for r in self.rows if r["problem"]]


def read(
    *contents: bytes,
    dialect: Dialect = RFC_4180,
    columns: Columns = AB,
    block_bytes: int = delimited_reader.BLOCK_BYTES,
) -> Read:
    """Read files called f0, f1 and so on."""
    files = [(f"f{n}", lambda data=data: io.BytesIO(data)) for n, data in enumerate(contents)]
    reports: list[FileReport] = []
    batches = list(read_delimited(files, columns, dialect, reports.append, block_bytes))
    assert all(batch.schema == columns.schema and batch.num_rows for batch in batches)
    for batch in batches:
        batch.validate(full=True)
    return Read(pa.Table.from_batches(batches, columns.schema).to_pylist(), reports)


def test_quoted_fields_hold_commas_line_breaks_and_quotes() -> None:
    result = read(b'a,b\r\n"x, y","one\r\ntwo"\r\n"say ""hi""",""\r\n')
    assert result.values == [("x, y", "one\r\ntwo"), ('say "hi"', "")]
    assert [row["row_number"] for row in result.rows] == [1, 2]


def test_in_a_tsv_a_quote_is_data() -> None:
    result = read(b'a\tb\n"x\t12" mix\n\\t\t"\n', dialect=TSV)
    assert result.values == [('"x', '12" mix'), ("\\t", '"')]


def test_a_quote_inside_an_unquoted_field_is_data() -> None:
    assert read(b'a,b\n12" mix,x\n,5"\n').values == [('12" mix', "x"), ("", '5"')]


def test_columns_are_found_by_name_in_every_file() -> None:
    columns = Columns(("a", "b"), optional=("score",))
    result = read(b"a,b\n1,2\n", b"b,x,a,score\n3,?,4,5\n", columns=columns)
    assert result.values == [("1", "2", None), ("4", "3", "5")]
    assert [row["source_uri"] for row in result.rows] == ["f0", "f1"]
    assert [row["row_number"] for row in result.rows] == [1, 1]
    assert [report.absent_columns for report in result.reports] == [("score",), ()]
    assert [report.extra_columns for report in result.reports] == [(), ("x",)]


def test_no_files_give_no_batches() -> None:
    assert read() == Read([], [])


def test_a_header_alone_gives_no_rows() -> None:
    report = FileReport("f0", 0, {}, empty_lines=0, extra_columns=(), absent_columns=())
    for header in (b"a,b", b"a,b\n", b"a,b\r\n", b"\xef\xbb\xbfa,b\n", b'\xef\xbb\xbf"a","b"\n'):
        assert read(header) == Read([], [report])


def test_empty_lines_are_records_with_a_problem_as_in_every_format() -> None:
    result = read(b"\n\r\na,b\n\n1,2\n\r\n3,4\n\n\n")
    assert [(row["row_number"], row["a"]) for row in result.rows if row["a"]] == [
        (2, "1"),
        (4, "3"),
    ]
    assert result.problems == [(number, "empty_line", "") for number in (1, 3, 5, 6)]
    assert (result.reports[0].records, result.reports[0].accepted) == (6, 2)
    assert result.reports[0].empty_lines == 2


def test_all_problems_of_a_record_are_told() -> None:
    result = read(b'a,b\n1\x00\n\xff,2,3\n"1"\xff\x00,2\n')
    assert [problem for _, problem, _ in result.problems] == [
        "field_count, nul_byte",
        "field_count, undecodable",
        "nul_byte, undecodable, text_after_quote",
    ]
    assert result.reports[0].accepted == 0


def test_a_record_of_empty_fields_is_a_record() -> None:
    assert read(b"a,b\n,\n").values == [("", "")]
    assert read(b'a\n""\n', columns=Columns(("a",))).values == [("",)]


@pytest.mark.parametrize(
    ("record", "problem", "raw"),
    [
        (b"1", "field_count", "1"),
        (b"1,2,3", "field_count", "1,2,3"),
        (b'"1\n2"', "field_count", '"1\n2"'),
        (b"caf\xe9,2", "undecodable", "caf\\xe9,2"),
        (b"\xed\xa0\x80,2", "undecodable", "\\xed\\xa0\\x80,2"),
        (b"1\x00,2", "nul_byte", "1\\x00,2"),
        (b'"1"2,3', "text_after_quote", '"1"2,3'),
        (b'"1" ,3', "text_after_quote", '"1" ,3'),
        (b'1,"2', "unterminated_quote", '1,"2'),
    ],
)
def test_a_damaged_record_is_told_and_its_neighbours_are_kept(
    record: bytes, problem: str, raw: str
) -> None:
    result = read(b"a,b\nx,y\n" + record + b"\nx,y\n")
    assert result.values == [("x", "y"), (None, None), ("x", "y")]
    assert result.problems == [(2, problem, raw)]
    assert result.reports[0].problems == {problem: 1}
    assert (result.reports[0].records, result.reports[0].accepted) == (3, 2)


def test_a_stray_quote_costs_a_line_not_the_file() -> None:
    lines = b"".join(b"%d,y\n" % n for n in range(1000))
    for block_bytes in (64, 1 << 20):
        result = read(b'a,b\n1,"x\n' + lines, block_bytes=block_bytes)
        assert result.problems == [(1, "unterminated_quote", '1,"x')]
        assert result.reports[0].accepted == 1000


def test_a_field_of_a_megabyte_is_read() -> None:
    long = "é" * (1 << 20)
    assert read(f'a,b\n1,"{long}\n"\n'.encode()).values == [("1", f"{long}\n")]


def test_raw_is_bounded() -> None:
    result = read(("a,b\n" + "🎬" * 4096 + "\n" + "🎬" * 4097).encode())
    assert [row["raw"] for row in result.rows] == ["🎬" * 4096, "🎬" * 4096 + "…"]


def test_a_quoted_field_beyond_the_limit_counts_as_unterminated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delimited_reader, "MAX_RECORD_BYTES", 100)
    text = b'a,b\n1,"' + b"x\n" * 100 + b'"\n'
    results = [read(text, block_bytes=size) for size in (10, 64, 1000)]
    assert results[0] == results[1] == results[2]
    assert results[0].problems[0] == (1, "unterminated_quote", '1,"x')


def test_a_line_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_reader, "MAX_RECORD_BYTES", 100)
    for size in (10, 64, 1000):
        with pytest.raises(PipelineError, match="f0 has a line of over"):
            read(b"a,b\n1," + b"x" * 200 + b"\n", block_bytes=size)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "f0 is empty"),
        (b"\n\r\n", "f0 is empty"),
        (b"a\n1\n", "f0 lacks column b; .* is: a"),
        (b"US,12\nUS,13\n", "f0 lacks column a, b; .* is: US, 12"),
        (b"a;b\n1;2\n", "f0 lacks column a, b; .* is: a;b"),
        (b"a,b,a\n1,2,3\n", "f0 has column a more than once"),
        ("a,b\n1,2\n".encode("utf-16"), "f0 has a broken header .nul_byte, undecodable."),
        (b'"a,b\n1,2\n', "f0 has a broken header .unterminated_quote."),
    ],
)
def test_a_file_without_a_usable_header_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        read(text)


def test_the_name_of_a_bad_file_among_good_ones_is_told() -> None:
    with pytest.raises(PipelineError, match="f1 lacks column b"):
        read(b"a,b\n1,2\n", b"a\n1\n")


def test_columns_of_the_reader_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="raw"):
        Columns(("a", "raw"))


def test_gzip_is_recognised_by_content() -> None:
    text = b"\xef\xbb\xbfa,b\n1,2\n"
    member = gzip.compress(b"3,4\n")
    assert read(gzip.compress(text) + member).values == [("1", "2"), ("3", "4")]


def test_a_gzip_file_that_unfolds_too_far_is_refused_unless_the_settings_allow_it() -> None:
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * (20 << 20))

    def rows(expansion: int) -> int:
        files = [("f0", lambda: io.BytesIO(packed))]
        batches = read_delimited(files, AB, RFC_4180, lambda _: None, expansion=expansion)
        return sum(batch.num_rows for batch in batches)

    with pytest.raises(PipelineError, match=r"^f0 unfolds to more than 100 times .*_EXPANSION$"):
        rows(100)
    assert rows(2000) == 20 << 20


@pytest.mark.parametrize("spoil", ["truncated", "flipped", "header only"])
def test_a_damaged_gzip_file_is_an_error(spoil: str) -> None:
    packed = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(9999)))
    middle = len(packed) // 2
    damaged = {
        "truncated": packed[:middle],
        "flipped": packed[:middle] + bytes([packed[middle] ^ 255]) + packed[middle + 1 :],
        "header only": packed[:4],
    }
    with pytest.raises(PipelineError, match="f0 is no whole gzip file"):
        read(damaged[spoil])


class Trickle:
    """A stream that only reads, a few bytes at a time, as a socket may."""

    def __init__(self, data: bytes) -> None:
        self.left = data
        self.closed = False

    def read(self, size: int) -> bytes:
        chunk, self.left = self.left[: min(size, 3)], self.left[min(size, 3) :]
        return chunk

    def close(self) -> None:
        self.closed = True


def test_a_stream_needs_to_read_and_close_only() -> None:
    stream = Trickle(gzip.compress(b"a,b\n1,2\n"))
    files = [("f0", lambda: cast(BinaryIO, stream))]
    batches = list(read_delimited(files, AB, RFC_4180, print))
    assert [batch.num_rows for batch in batches] == [1]
    assert stream.closed


def test_files_are_read_as_their_batches_are_asked_for() -> None:
    """So memory is bounded by a few blocks, whatever the size of a file."""
    opened = [io.BytesIO(b"a,b\n" + b"1,2\n" * (4 << 20)) for _ in range(2)]
    files = ((f"f{n}", lambda stream=stream: stream) for n, stream in enumerate(opened))
    batches = read_delimited(files, AB, RFC_4180, print, block_bytes=1 << 20)
    assert next(batches).num_rows == (1 << 20) // 4 - 1
    assert opened[0].tell() <= 3 << 20
    assert opened[1].tell() == 0
    del batches
    assert opened[0].closed


def reference(text: bytes, dialect: Dialect, width: int) -> list[Row]:
    """What the records below a header must become: fields or None, problem or None, raw or None."""
    text += b"" if text.endswith(b"\n") or not text else b"\n"
    rows, position = [], 0
    while position < len(text):
        fields, problem, end = next_record(text, position, dialect)
        record = text[position:end].removesuffix(b"\n").removesuffix(b"\r")
        position = end
        rows.append(judged(record, fields, problem, width))
    return rows


def judged(record: bytes, fields: list[bytes], problem: str | None, width: int) -> Row:
    found = {
        "field_count": record and problem is None and len(fields) != width,
        "nul_byte": b"\0" in record,
        "undecodable": not is_utf8(record),
        problem: problem is not None,
        "empty_line": not record,
    }
    problems = ", ".join(str(name) for name, applies in found.items() if applies)
    if not problems:
        return [field.decode() for field in fields], None, None
    return None, problems, record.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def is_utf8(record: bytes) -> bool:
    return record.decode("utf-8", "replace").encode() == record


def next_record(text: bytes, start: int, dialect: Dialect) -> tuple[list[bytes], str | None, int]:
    """Fields and problem of the record at an offset, and where the next one starts."""
    fields, position = [], start
    while True:
        if dialect.quoting and text[position : position + 1] == b'"':
            field, problem, position = quoted_field(text, position + 1)
            if problem:
                return [], problem, text.index(b"\n", start) + 1
        else:
            field, position = plain_field(text, position, dialect.delimiter.encode())
        fields.append(field)
        if text[position : position + 1] == dialect.delimiter.encode():
            position += 1
        else:
            return fields, None, text.index(b"\n", position) + 1


def plain_field(text: bytes, start: int, delimiter: bytes) -> tuple[bytes, int]:
    end = start
    while text[end : end + 1] not in (delimiter, b"\n"):
        end += 1
    field = text[start:end]
    return (field.removesuffix(b"\r") if text[end : end + 1] == b"\n" else field), end


def quoted_field(text: bytes, start: int) -> tuple[bytes, str | None, int]:
    field, position = b"", start
    while position < len(text):
        if text[position : position + 2] == b'""':
            field, position = field + b'"', position + 2
        elif text[position : position + 1] == b'"':
            rest = text[position + 1 :]
            followed = not rest.startswith((b",", b"\n", b"\r\n"))
            return field, "text_after_quote" if followed else None, position + 1
        else:
            field, position = field + text[position : position + 1], position + 1
    return field, "unterminated_quote", position


def as_reference(result: Read, width: int) -> list[Row]:
    names = ("a", "b", "c")[:width]
    return [
        (None if row["problem"] else [row[n] for n in names], row["problem"], row["raw"])
        for row in result.rows
    ]


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
PIECES = [b'"', b'""', b'","', b'"\n', b",", b"\t", b"\n", b"\r\n", b"\r", b"x", b"\\", b" ", b"\0"]
PIECES += [b"\xc3\xa9", b"\xff", b"\xe2\x82", b'x,"y"\n', b"x\ty\n", b"x,y\r\n", b'"x\ny",z\n']
NASTY = st.lists(
    st.sampled_from(PIECES),
    max_size=40,
).map(b"".join)


@settings(max_examples=250, deadline=None)
@given(NASTY, st.integers(1, 3), BLOCK_SIZES)
@example(b'"x\ny","z"w\n1,2\n', 2, 3)
@example(b'"""x""",""\n"",""""\n', 2, 4)
@example(b'5" disc,"a,b"\r\n', 2, 2)
@example(b'5"",a""b\n"","5"""\n', 2, 2)
def test_quoted_files_equal_the_reference(text: bytes, width: int, block: int) -> None:
    header = b",".join([b"a", b"b", b"c"][:width]) + b"\n"
    columns = Columns(("a", "b", "c")[:width])
    result = read(header + text, columns=columns, block_bytes=block)
    assert as_reference(result, width) == reference(text, RFC_4180, width)
    assert [row["row_number"] for row in result.rows] == list(range(1, len(result.rows) + 1))


@settings(max_examples=100, deadline=None)
@given(NASTY, st.integers(1, 3), BLOCK_SIZES)
def test_unquoted_files_equal_the_reference(text: bytes, width: int, block: int) -> None:
    header = b"\t".join([b"a", b"b", b"c"][:width]) + b"\n"
    columns = Columns(("a", "b", "c")[:width])
    result = read(header + text, dialect=TSV, columns=columns, block_bytes=block)
    assert as_reference(result, width) == reference(text, TSV, width)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(WORDS, WORDS)),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    BLOCK_SIZES,
)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str]], quoting: Literal[0, 1], block: int
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerows([("a", "b"), *rows])
    result = read(out.getvalue().encode(), block_bytes=block)
    assert result.values == rows
    assert result.problems == []


@settings(max_examples=60, deadline=None)
@given(NASTY, BLOCK_SIZES)
def test_every_record_is_accounted_for(text: bytes, block: int) -> None:
    result = read(b"a,b\n" + text, block_bytes=block)
    report = result.reports[0]
    assert report.records == len(result.rows)
    assert report.accepted == sum(row["problem"] is None for row in result.rows)
    assert {name for told in report.problems for name in told.split(", ")} <= set(PROBLEMS)
    assert all((row["problem"] is None) == (row["raw"] is None) for row in result.rows)
