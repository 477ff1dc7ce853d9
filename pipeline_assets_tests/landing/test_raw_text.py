import itertools
import re
from collections.abc import Iterator
from tempfile import NamedTemporaryFile

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline_assets.errors import PipelineError
from pipeline_assets.landing import raw_text
from pipeline_assets.landing.raw_text import (
    ESCAPE_MARK,
    MAX_LINE_BYTES,
    RESERVED_DELIMITER,
    TextPart,
    split_into_parts,
    without_byte_order_mark,
)

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Bytes drawn often from what the splitter treats specially, so that short examples meet it.
SPECIAL_PIECES = [b"\n", b"\r", b"\r\n", b"\\", ESCAPE_MARK, RESERVED_DELIMITER, b"\x1c"]
SPECIAL_PIECES += [
    b"\0",
    b'"',
    b"'",
    b",",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"\xa9",
    "é".encode(),
    b"abc",
    b"\\xff",
]
RAW_BYTES = st.lists(st.sampled_from(SPECIAL_PIECES) | st.binary(max_size=4)).map(b"".join)
CLEAN_LINE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x1a\x1c\ufeff"), max_size=20
)
CLEAN_FILE = st.lists(CLEAN_LINE).map(lambda lines: "".join(f"{x}\n" for x in lines).encode())
PART_BYTES = st.integers(1, 40)


def split(data: bytes, part_bytes: int = 1000, chunk_bytes: int = 1 << 20) -> list[TextPart]:
    return list(split_into_parts(chunked(data, chunk_bytes), part_bytes))


def chunked(data: bytes, chunk_bytes: int) -> Iterator[bytes]:
    return (data[i : i + chunk_bytes] for i in range(0, len(data), chunk_bytes))


def joined(parts: list[TextPart]) -> bytes:
    return b"".join(part.data for part in parts)


def unescape(stored: bytes) -> bytes:
    """Undo an escaped line, to prove that nothing of it was lost."""
    if not stored.startswith(ESCAPE_MARK):
        return stored
    escape = re.compile(rb"\\(\\|x([0-9a-f]{2}))")
    return escape.sub(
        lambda m: bytes.fromhex(m[2].decode()) if m[2] else b"\\", stored[len(ESCAPE_MARK) :]
    )


def original_lines(data: bytes) -> list[bytes]:
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def test_lines_are_cut_into_parts_and_numbered() -> None:
    parts = split(b"one\ntwo\nthree\nfour\n", part_bytes=8)
    assert [part.data for part in parts] == [b"one\ntwo\n", b"three\n", b"four\n"]
    assert [part.number for part in parts] == [0, 1, 2]
    assert [part.first_line for part in parts] == [1, 3, 4]
    assert [part.line_count for part in parts] == [2, 1, 1]


def test_an_empty_file_has_no_parts() -> None:
    assert split(b"") == []


def test_an_empty_line_stays_an_empty_line() -> None:
    assert joined(split(b"\na\n\n")) == b"\na\n\n"


def test_a_line_longer_than_a_part_is_a_part_of_its_own() -> None:
    parts = split(b"a\n" + b"b" * 30 + b"\nc\nd\n", part_bytes=10)
    assert [part.data for part in parts] == [b"a\n", b"b" * 30 + b"\n", b"c\nd\n"]


@pytest.mark.parametrize(
    ("line", "stored"),
    [
        (b"caf\xff,1", b"\x1acaf\\xff,1"),
        (b"cut \xc3", b"\x1acut \\xc3"),
        (b"a\rb", b"\x1aa\\x0db"),
        (b"a\r", b"\x1aa\\x0d"),
        (b"a" + RESERVED_DELIMITER + b"b", b"\x1aa\\x1c\\x1d\\x1e\\x1fb"),
        (ESCAPE_MARK + b"a", b"\x1a\\x1aa"),
        (b"\xef\xbb\xbfa", b"\x1a\\xef\\xbb\\xbfa"),
        (b"back\\slash \xff", b"\x1aback\\\\slash \\xff"),
    ],
)
def test_an_unreadable_line_is_escaped_in_its_place(line: bytes, stored: bytes) -> None:
    (part,) = split(b"before\n" + line + b"\r\nafter\n")
    assert part.data == b"before\n" + stored + b"\nafter\n"
    assert part.escaped_lines == 1


@pytest.mark.parametrize(
    "line", [b"back\\slash", b"a\x1ab", b"a\x1cb", "a\ufeffb".encode(), "é\uff01".encode(), b"\0"]
)
def test_a_readable_line_is_stored_as_it_is(line: bytes) -> None:
    (part,) = split(line + b"\n")
    assert (part.data, part.escaped_lines) == (line + b"\n", 0)


def test_a_carriage_return_before_a_line_feed_ends_the_line_with_it() -> None:
    (part,) = split(b"one\r\ntwo\r\n", chunk_bytes=4)
    assert (part.data, part.escaped_lines) == (b"one\ntwo\n", 0)


def test_a_file_that_ends_inside_a_line_says_so() -> None:
    parts = split(b"one\ntwo", part_bytes=4)
    assert [(part.data, part.terminated) for part in parts] == [(b"one\n", True), (b"two\n", False)]


@given(RAW_BYTES, PART_BYTES, st.integers(1, 12))
@example(b"abc\r\nd", 40, 4)
@example("é\n".encode(), 40, 1)
def test_the_parts_do_not_depend_on_the_chunks(data: bytes, part: int, chunk: int) -> None:
    assert split(data, part, chunk) == split(data, part)


@given(RAW_BYTES, PART_BYTES, st.integers(1, 12))
def test_parts_stay_the_same_if_long_chunks_are_taken_in_windows(
    data: bytes, part: int, window: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_text, "_WINDOW_BYTES", window)
        windowed = split(data, part)
    assert windowed == split(data, part)


@given(RAW_BYTES, st.integers(1, 4), st.booleans())
def test_a_byte_order_mark_is_dropped_at_the_start_of_a_file_only(
    data: bytes, chunk: int, marked: bool
) -> None:
    text = data.removeprefix(BYTE_ORDER_MARK)
    given = (BYTE_ORDER_MARK if marked else b"") + text
    expected = text if marked else text.removeprefix(BYTE_ORDER_MARK)
    assert b"".join(without_byte_order_mark(chunked(given, chunk))) == expected


@given(CLEAN_FILE, PART_BYTES)
def test_clean_files_are_stored_byte_for_byte(data: bytes, part_bytes: int) -> None:
    parts = split(data, part_bytes)
    assert joined(parts) == data
    assert all(part.escaped_lines == 0 for part in parts)


@given(RAW_BYTES, PART_BYTES)
def test_every_line_keeps_its_number_and_can_be_told(data: bytes, part_bytes: int) -> None:
    parts = split(data, part_bytes)
    stored = joined(parts).split(b"\n")[:-1]
    assert [unescape(line) for line in stored] == original_lines(data)
    assert sum(part.escaped_lines for part in parts) == sum(
        line.startswith(ESCAPE_MARK) for line in stored
    )


@given(RAW_BYTES, PART_BYTES)
def test_stored_text_is_safe_for_line_readers(data: bytes, part_bytes: int) -> None:
    text = joined(split(data, part_bytes)).decode("utf-8")
    assert "\r" not in text
    assert RESERVED_DELIMITER.decode() not in text
    assert not any(line.startswith("\ufeff") for line in text.split("\n"))


@settings(deadline=None, max_examples=40)
@given(RAW_BYTES)
def test_duckdb_reads_every_stored_line(data: bytes) -> None:
    text = joined(split(data))
    assert lines_read_by_duckdb(text) == text.split(b"\n")[:-1]


def lines_read_by_duckdb(text: bytes) -> list[bytes]:
    query = """
        select line from read_csv(
            $path, delim = $delimiter, quote = '', escape = '', new_line = '\\n',
            header = false, auto_detect = false, columns = {line: 'varchar'}
        )
    """
    with NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        parameters = {"path": file.name, "delimiter": RESERVED_DELIMITER.decode()}
        rows = duckdb.execute(query, parameters).fetchall()
    return [(line or "").encode() for (line,) in rows]  # it reads an empty line as null


@given(RAW_BYTES, PART_BYTES)
def test_parts_are_full_and_count_their_lines(data: bytes, part_bytes: int) -> None:
    parts = split(data, part_bytes)
    first_line = 1
    for part in parts:
        assert part.first_line == first_line
        assert part.line_count == part.data.count(b"\n") > 0
        assert part.data.endswith(b"\n")
        assert part.line_count == 1 or len(part.data) <= part_bytes + (not part.terminated)
        first_line += part.line_count
    for part, following in itertools.pairwise(parts):
        ended = following.terminated or following.line_count > 1
        next_line = following.data.split(b"\n")[0] + b"\n" * ended
        assert part.terminated
        assert len(part.data) + len(next_line) > part_bytes


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("chunk_bytes", [7001, 1 << 19, 1 << 30])
def test_the_longest_line_allowed(end: bytes, chunk_bytes: int) -> None:
    line = b"x" * MAX_LINE_BYTES
    (part,) = split(line + end, chunk_bytes=chunk_bytes)
    assert part.data == line + b"\n"
    with pytest.raises(PipelineError, match="The input has a line of more than 1,048,576 bytes"):
        split(b"x" + line + end, chunk_bytes=chunk_bytes)


def test_a_line_that_grows_too_long_by_escaping_is_refused() -> None:
    with pytest.raises(PipelineError, match="deliver it again"):
        split(b"\xff" * (MAX_LINE_BYTES // 2) + b"\n")
