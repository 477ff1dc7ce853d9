"""Records of one Parquet or JSON Lines file as text, what is wrong with a record beside it."""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_assets.dataset.values.expansion import ExpansionLimit
from pipeline_assets.dataset.values.objects import StoredObject
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.byte_stream import inflated_chunks
from pipeline_assets.landing.delimited import MAX_RECORD_BYTES
from pipeline_assets.landing.fields import MAX_RAW_CHARACTERS

_BATCH_ROWS: Final = 20_000
_CHUNK_BYTES: Final = 1 << 20
_JSON_SPACE: Final = " \t\r\n"
_TEXT_OR_NOTHING: Final = frozenset({str, type(None)})
_AS_WRITTEN: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def read_parquet(
    file: StoredObject, stream: BinaryIO, fields: Mapping[str, str], expansion: int
) -> Iterator[pa.RecordBatch]:
    """The records of a Parquet file.

    Parquet is read from its end, so what comes from S3 is stored for a moment.

    Args:
        file: What is read.
        stream: Its bytes.
        fields: What each column is called in it, by the column's name.
        expansion: How many bytes one byte of it may unfold to.

    Raises:
        PipelineError: It is no whole Parquet file, lacks a column, or unfolds too far.
    """
    limit, unfolded = ExpansionLimit(file.uri, expansion), 0
    with tempfile.TemporaryFile() as local:
        shutil.copyfileobj(stream, local, _CHUNK_BYTES)
        try:
            parquet = pq.ParquetFile(local)
        except pa.ArrowException as error:
            raise PipelineError(f"{file.uri} is no whole Parquet file: {error}") from error
        missing = [it for it in fields.values() if it not in parquet.schema_arrow.names]
        if missing:
            raise PipelineError(f"{file.uri} lacks column {', '.join(missing)}")
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=list(fields.values())):
            columns = [_as_text(batch.column(name)) for name in fields.values()]
            unfolded += sum(column.nbytes for column in columns)
            limit.require(unfolded, file.size)
            nothing = pa.nulls(len(batch), pa.string())
            names = [*fields, "problem", "raw"]
            yield pa.RecordBatch.from_arrays([*columns, nothing, nothing], names)


def read_json(
    file: StoredObject, stream: BinaryIO, fields: Mapping[str, str], expansion: int
) -> Iterator[pa.RecordBatch]:
    """The records of a file of JSON Lines; arguments and errors are those of `read_parquet`."""
    lines = _lines(file.uri, inflated_chunks(file.uri, stream, _CHUNK_BYTES, expansion))
    while found := list(islice(lines, _BATCH_ROWS)):
        yield _objects(found, fields)


def _objects(lines: Sequence[bytes], fields: Mapping[str, str]) -> pa.RecordBatch:
    """The fields of lines, numbers as they are written; or what is wrong with a line."""
    read = [_object(line) for line in lines]
    found = [it if isinstance(it, dict) else {} for it in read]
    problems = [None if isinstance(it, dict) else it for it in read]
    raw = [problem and _shown(line) for problem, line in zip(problems, lines, strict=True)]
    texts = [_texts([it.get(name) for it in found]) for name in fields.values()]
    columns = [*texts, pa.array(problems, pa.string()), pa.array(raw, pa.string())]
    return pa.RecordBatch.from_arrays(columns, [*fields, "problem", "raw"])


def numbered(uri: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of a file, each record with the file and its number in it, from 1."""
    before = 0
    for batch in batches:
        numbers = pa.array(range(before + 1, before + len(batch) + 1), pa.int64())
        counted = batch.append_column("row_number", numbers)
        yield counted.append_column("source_uri", pa.repeat(pa.scalar(uri), len(batch)))
        before += len(batch)


def _object(line: bytes) -> dict[str, Any] | str:
    """The object that a line holds; the name of the problem if it holds none."""
    try:
        text = line.decode().strip(_JSON_SPACE)
        found, end = _AS_WRITTEN.raw_decode(text)
        if b"\\u" in line:  # Half of a surrogate pair is read, and is no text.
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return "no_json"
    if end < len(text):
        return "no_json"
    return found if isinstance(found, dict) else "no_object"


def _texts(values: list[Any]) -> pa.Array:
    if not _TEXT_OR_NOTHING.issuperset(map(type, values)):
        values = [_as_json(it) for it in values]
    return pa.array(values, pa.string())


def _as_text(column: pa.Array) -> pa.Array:
    """A column as text; what Arrow does not write itself, such as a list, as JSON."""
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return pa.array([_as_json(it) for it in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _as_json(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _lines(uri: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that hold something.

    Raises:
        PipelineError: A line is longer than any record may be.
    """
    rest = b""
    for chunk in chain(chunks, [b"\n"]):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_RECORD_BYTES:
            raise PipelineError(f"{uri} has a line of over 16 MiB; is it JSON Lines?")
        yield from (line for line in lines if line.strip())


def _shown(line: bytes) -> str:
    return line[:MAX_RAW_CHARACTERS].decode(errors="backslashreplace").replace("\0", "\\x00")
