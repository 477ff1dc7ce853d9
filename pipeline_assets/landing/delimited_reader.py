"""Vendors' delimited files as a stream of Arrow batches of strings, every record accounted for.

Nothing is typed here: each record becomes a row of strings with its file and number, and a record
that cannot be split into its columns becomes a row that says why and shows its text. One later
expression types, accepts and rejects rows, so that every engine accounts for them alike.

Rules that hold for every dialect:

- A line ends in LF or CRLF; a CR anywhere else is data.
- An empty line is a record with the problem ``empty_line``, as in every other format; those before
  the header are only counted.
- An empty field is the empty string, quoted or not; what means null is the contract's to say.
- A byte order mark before the header is dropped. Text is UTF-8.
- Files are gzip-compressed if their first two bytes say so, whatever their name.

For quoted fields see :mod:`pipeline_assets.landing.quotes`: a stray quote costs a line, not
the file.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO, Final, TypeAlias

import numpy as np
import pyarrow as pa

from pipeline_assets.dataset.values.expansion import LANDING_EXPANSION
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.byte_stream import inflated_chunks
from pipeline_assets.landing.delimited import MAX_RECORD_BYTES, Columns, Dialect, FileReport
from pipeline_assets.landing.quotes import Text
from pipeline_assets.landing.records import Records, cut

Opener: TypeAlias = Callable[[], BinaryIO]

BLOCK_BYTES: Final = 2 << 20


def read_delimited(
    files: Iterable[tuple[str, Opener]],
    columns: Columns,
    dialect: Dialect,
    on_file: Callable[[FileReport], object],
    block_bytes: int = BLOCK_BYTES,
    expansion: int = LANDING_EXPANSION,
) -> Iterator[pa.RecordBatch]:
    """Read the files of one table, one after the other, in memory that does not grow with them.

    Args:
        files: URI and opener of each; the stream needs ``read(size)`` and ``close()`` only.
        columns: What to look for in every header.
        dialect: How the files are written.
        on_file: Told the account of each file after its last batch.
        block_bytes: How much to read, and so about how much text a batch holds.
        expansion: How many bytes one byte of a compressed file may unfold to.

    Yields:
        Batches of :attr:`Columns.schema` in file order, none of them empty.

    Raises:
        PipelineError: A file has no header, lacks a required column, has a wanted one twice, is a
            truncated or corrupt gzip stream, unfolds too far, or has a record of more than 16 MiB.
    """
    for source_uri, opener in files:
        with closing(opener()) as stream:
            chunks = inflated_chunks(source_uri, stream, block_bytes, expansion)
            blocks = _blocks(source_uri, chunks, dialect)
            yield from _read_file(source_uri, blocks, columns, on_file)


@dataclass(frozen=True)
class _Header:
    """What a file's header says of the wanted columns; no place means the column is absent."""

    width: int
    places: Mapping[str, int | None]
    extra: tuple[str, ...]

    @property
    def absent(self) -> tuple[str, ...]:
        return tuple(name for name, place in self.places.items() if place is None)


@dataclass
class _Tally:
    """Running counts of a file."""

    records: int = 0
    empty_lines: int = 0
    problems: Counter[str] = field(default_factory=Counter)


def _read_file(
    source_uri: str,
    blocks: Iterator[Records],
    columns: Columns,
    on_file: Callable[[FileReport], object],
) -> Iterator[pa.RecordBatch]:
    header: _Header | None = None
    tally = _Tally()
    for block in blocks:
        records = block
        if header is None:
            tally.empty_lines += block.leading_empty_lines
            records = block.select(slice(block.leading_empty_lines, None))
        if header is None and len(records):
            header = _match(source_uri, _header_names(source_uri, records), columns)
            records = records.select(slice(1, None))
        if header is not None and len(records):
            records = records.judged(header.width)
            yield _batch(source_uri, tally.records, records, header, columns.schema)
            tally.records += len(records)
            tally.problems.update(records.problem_counts())
    if header is None:
        raise PipelineError(f"{source_uri} is empty; a table without rows still needs its header")
    on_file(_report(source_uri, tally, header))


def _report(source_uri: str, tally: _Tally, header: _Header) -> FileReport:
    return FileReport(
        source_uri=source_uri,
        records=tally.records,
        problems=dict(sorted(tally.problems.items())),
        empty_lines=tally.empty_lines,
        extra_columns=header.extra,
        absent_columns=header.absent,
    )


def _header_names(source_uri: str, block: Records) -> list[str]:
    line = block.select(slice(0, 1))
    problem = line.problems()[0].as_py()
    if problem:
        raise PipelineError(f"{source_uri} has a broken header ({problem}): {line.text(0)[:100]!r}")
    return [line.column(place)[0].as_py() for place in range(line.count[0])]


def _match(source_uri: str, names: Sequence[str], columns: Columns) -> _Header:
    missing = ", ".join(name for name in columns.required if name not in names)
    if missing:
        line = ", ".join(names)[:200]
        raise PipelineError(
            f"{source_uri} lacks column {missing}; its first line must name all, but is: {line}"
        )
    twice = ", ".join(name for name in columns.names if names.count(name) > 1)
    if twice:
        raise PipelineError(f"{source_uri} has column {twice} more than once; drop or rename one")
    return _Header(
        width=len(names),
        places={name: names.index(name) if name in names else None for name in columns.names},
        extra=tuple(name for name in names if name not in columns.names),
    )


def _batch(
    source_uri: str, before: int, records: Records, header: _Header, schema: pa.Schema
) -> pa.RecordBatch:
    """One row per record; `before` records of the file went before."""
    size = len(records)
    wanted = (
        pa.nulls(size, pa.string()) if place is None else records.column(place)
        for place in header.places.values()
    )
    arrays = [
        pa.repeat(pa.scalar(source_uri), size),
        pa.array(np.arange(before + 1, before + size + 1)),
        *wanted,
        records.problems(),
        records.raw(),
    ]
    return pa.record_batch(arrays, schema)


def _blocks(source_uri: str, chunks: Iterable[bytes], dialect: Dialect) -> Iterator[Records]:
    tail = b""
    for chunk in chain(filter(None, chunks), (b"",)):
        final = not chunk
        data = _with_line_end(tail) if final else tail + chunk
        text = Text(data, data.rfind(b"\n") + 1, ord(dialect.delimiter), final, MAX_RECORD_BYTES)
        block = cut(text, dialect.quoting)
        _check_lengths(source_uri, text, block)
        tail = data[block.consumed :]
        yield block


def _with_line_end(tail: bytes) -> bytes:
    """The end of a file, whose last line may lack its line end."""
    return tail if not tail or tail.endswith(b"\n") else tail + b"\n"


def _check_lengths(source_uri: str, text: Text, block: Records) -> None:
    """Stop before a file without line ends, or of another dialect, fills the memory."""
    longest = int((block.ends - block.starts).max(initial=0))
    if max(longest, len(text.data) - text.size) > MAX_RECORD_BYTES:
        limit = MAX_RECORD_BYTES >> 20
        raise PipelineError(f"{source_uri} has a line of over {limit} MiB; is it delimited text?")
