r"""A stream of bytes as text parts that every line reader reads the same way, at memory speed.

Vendors' files are cut into parts at line ends, so that an engine reads them in parallel, and every
line stays where it was: line `n` of the file is line `n` of the parts. What a line reader would
refuse or change is stored as an escaped line in its place, so no byte of a vendor's file can abort
a read, shift a line number or get lost. These are

- bytes that are not UTF-8,
- a carriage return anywhere but before a line feed (some readers end a line there),
- `RESERVED_DELIMITER` (the column delimiter engines are given, so that a line is one column),
- a byte order mark at the start of a line (readers drop it at the start of a file, here a part),
- `ESCAPE_MARK` at the start of a line (or it would pass for an escaped line).

An escaped line is `ESCAPE_MARK`, then the text with backslashes doubled and every such byte
written as `\xff`, so the original bytes can be told.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline_assets.errors import PipelineError

ESCAPE_MARK: Final = b"\x1a"
"""ASCII SUBSTITUTE: the first byte of every escaped line and of no other."""

RESERVED_DELIMITER: Final = b"\x1c\x1d\x1e\x1f"
"""The four ASCII separators in a row: a column delimiter that occurs in no stored line."""

MAX_LINE_BYTES: Final = 1 << 20
"""Longest line, as stored and without its newline. DuckDB's reader takes up to 2,000,000 bytes."""

_WINDOW_BYTES: Final = MAX_LINE_BYTES  # so a line that lies inside one window is never too long
_NEWLINE: Final = 0x0A
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SUSPECTS: Final = (b"\r", ESCAPE_MARK, RESERVED_DELIMITER[:1], _BYTE_ORDER_MARK[:1])


@dataclass(frozen=True)
class TextPart:
    """Whole lines of a file, each ending in a newline.

    Attributes:
        number: Place of the part in its file, from 0.
        first_line: Line number, in the file and from 1, of the part's first line.
        line_count: Lines in `data`.
        data: The lines: valid UTF-8, ended by line feeds.
        escaped_lines: How many of the lines are escaped.
        terminated: False if the part's last line had no newline: the file may be cut there.
    """

    number: int
    first_line: int
    line_count: int
    data: bytes
    escaped_lines: int
    terminated: bool


def split_into_parts(
    chunks: Iterable[bytes], part_bytes: int, uri: str = "The input"
) -> Iterator[TextPart]:
    """Cut a stream of bytes into parts of whole lines.

    A part holds as many lines as fit into `part_bytes`, and at least one. The parts depend on the
    bytes alone, not on how they are chunked. Memory is bounded by two parts, a chunk and a line.

    Args:
        chunks: The file's bytes in order, in pieces of any size.
        part_bytes: Bytes a part of several lines may hold; a newline added at the end of the file
            is not counted.
        uri: The file's, for the error.

    Yields:
        The parts in order; none for an empty file.

    Raises:
        PipelineError: A line is longer than `MAX_LINE_BYTES`.
    """
    first_line = 1
    blocks = (_stored_block(block, uri) for block in _whole_lines(chunks, uri))
    for number, data in enumerate(_cut(blocks, part_bytes)):
        part = _text_part(number, first_line, data)
        yield part
        first_line += part.line_count


def without_byte_order_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes without a byte order mark at their start, which is no part of any record."""
    rest = iter(chunks)
    start = b""
    for chunk in rest:
        start += chunk
        if len(start) >= len(_BYTE_ORDER_MARK):
            break
    yield start.removeprefix(_BYTE_ORDER_MARK)
    yield from rest


def _whole_lines(chunks: Iterable[bytes], uri: str) -> Iterator[bytes]:
    """Regroup chunks into blocks of whole lines; only the last block may lack its newline."""
    pending = bytearray()
    for window in _windows(chunks):
        first_end = window.find(b"\n") + 1
        if first_end:
            line = bytes(pending) + window[: first_end - 1]
            _check_length(len(line.removesuffix(b"\r")), uri)
            last_end = window.rfind(b"\n") + 1
            yield b"".join((pending, memoryview(window)[:last_end]))
            pending = bytearray(memoryview(window)[last_end:])
        else:
            pending += window
            _check_length(len(pending) - 1, uri)  # its last byte may be half of a line end
    if pending:
        _check_length(len(pending), uri)
        yield bytes(pending)


def _windows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), _WINDOW_BYTES):
            yield chunk[start : start + _WINDOW_BYTES]


def _check_length(line_bytes: int, uri: str) -> None:
    if line_bytes > MAX_LINE_BYTES:
        raise PipelineError(
            f"{uri} has a line of more than {MAX_LINE_BYTES:,} bytes, so it is no file of "
            "records or has lost its line ends; deliver it again"
        )


def _stored_block(block: bytes, uri: str) -> bytes:
    """The block as it is stored; only a suspect block is looked at line by line."""
    block = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    if _is_utf8(block) and not any(suspect in block for suspect in _SUSPECTS):
        return block
    return b"\n".join(_stored_line(line, uri) for line in block.split(b"\n"))


def _stored_line(line: bytes, uri: str) -> bytes:
    stored = line if _is_readable(line) else _escape(line)
    _check_length(len(stored), uri)
    return stored


def _is_readable(line: bytes) -> bool:
    return (
        b"\r" not in line
        and RESERVED_DELIMITER not in line
        and not line.startswith((ESCAPE_MARK, _BYTE_ORDER_MARK))
        and _is_utf8(line)
    )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _escape(line: bytes) -> bytes:
    text = line.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace").encode("utf-8")
    for special in (b"\r", ESCAPE_MARK, RESERVED_DELIMITER, _BYTE_ORDER_MARK):
        text = text.replace(special, b"".join(b"\\x%02x" % byte for byte in special))
    return ESCAPE_MARK + text


def _cut(blocks: Iterable[bytes], part_bytes: int) -> Iterator[bytes]:
    """Regroup blocks of whole lines: as many lines as fit into `part_bytes`, at least one."""
    held: list[bytes] = []
    room = part_bytes
    for block in blocks:
        start = 0
        while len(block) - start > room:
            overlong_end = start if room < part_bytes else _first_end(block, start)
            end = _last_end(block, start, room) or overlong_end
            yield b"".join((*held, memoryview(block)[start:end]))
            held, room, start = [], part_bytes, end
        held.append(block[start:])
        room -= len(block) - start
    if room < part_bytes:
        yield b"".join(held)


def _last_end(block: bytes, start: int, room: int) -> int:
    """End of the last line that fits into `room` bytes from `start`; 0 if none does."""
    return block.rfind(b"\n", start, start + room) + 1


def _first_end(block: bytes, start: int) -> int:
    return block.find(b"\n", start) + 1 or len(block)


def _text_part(number: int, first_line: int, data: bytes) -> TextPart:
    terminated = data.endswith(b"\n")
    data = data if terminated else data + b"\n"
    return TextPart(
        number=number,
        first_line=first_line,
        line_count=_count_lines(data),
        data=data,
        escaped_lines=_count_escaped(data),
        terminated=terminated,
    )


def _count_lines(data: bytes) -> int:
    """Count newlines with NumPy: faster than `bytes.count`, and other threads run meanwhile."""
    import numpy as np

    view = np.frombuffer(data, np.uint8)
    starts = range(0, len(data), _WINDOW_BYTES)
    return sum(int(np.count_nonzero(view[i : i + _WINDOW_BYTES] == _NEWLINE)) for i in starts)


def _count_escaped(data: bytes) -> int:
    if ESCAPE_MARK not in data:
        return 0
    return data.startswith(ESCAPE_MARK) + data.count(b"\n" + ESCAPE_MARK)
