"""Records of CSV, TSV, Parquet and JSON Lines files, all as text with an account of each record.

Whatever the format, a raw table has the same form, so the same expressions type its records and
reject what is broken: see :mod:`pipeline_assets.landing.typed_text`.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO, Final, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_assets.dataset.values.expansion import ExpansionLimit
from pipeline_assets.dataset.values.objects import StoredObject
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.byte_stream import inflated_chunks
from pipeline_assets.landing.delimited import MAX_RECORD_BYTES, RFC_4180, TSV, Columns
from pipeline_assets.landing.fields import MAX_RAW_CHARACTERS
from pipeline_assets.landing.landed_records import as_rows, read_landed

FileFormat: TypeAlias = Literal["csv", "tsv", "parquet", "jsonl"]

_BATCH_ROWS: Final = 20_000
_CHUNK_BYTES: Final = 1 << 20
_JSON_SPACE: Final = " \t\r\n"
_TEXT_OR_NOTHING: Final = frozenset({str, type(None)})
_AS_WRITTEN: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


@dataclass(frozen=True)
class FileRecords:
    """How the files of one table are read.

    Attributes:
        format: Of every file.
        fields: What each column is called in the files, by the column's name.
    """

    format: FileFormat
    fields: Mapping[str, str]

    def rows(
        self, objects: Mapping[str, tuple[StoredObject, ...]], partition: str, workspace: Workspace
    ) -> Iterator[pa.RecordBatch]:
        """All records as rows of a raw table, whose schema the workspace holds.

        Args:
            objects: The landed files by partition key.
            partition: The partition column.
            workspace: What the ingest was given.

        Raises:
            PipelineError: A file cannot be read, or lacks a column.
        """
        for key, files in objects.items():
            for batch in self.batches(files, workspace):
                yield as_rows(batch, workspace.schema, **{partition: key})

    def batches(
        self, files: tuple[StoredObject, ...], workspace: Workspace
    ) -> Iterator[pa.RecordBatch]:
        """The records of some files, without a partition.

        Raises:
            PipelineError: A file cannot be read, or lacks a column.
        """
        store = workspace.landing or workspace.store
        if self.format in {"csv", "tsv"}:
            dialect = TSV if self.format == "tsv" else RFC_4180
            columns = Columns(tuple(self.fields.values()))
            names = {field: column for column, field in self.fields.items()}
            for batch in read_landed(files, store, columns, dialect, workspace):
                yield batch.rename_columns([names.get(it, it) for it in batch.schema.names])
            return
        for file in files:
            read = self._parquet if self.format == "parquet" else self._json
            with closing(store.open(file.uri, file.etag)) as stream:
                found = read(file, stream, workspace.landing_expansion)
                yield from _numbered(file.uri, found)
            workspace.progress.advance(file.uri, file.size, file.size)

    def _parquet(
        self, file: StoredObject, stream: BinaryIO, expansion: int
    ) -> Iterator[pa.RecordBatch]:
        """Parquet is read from its end, so what comes from S3 is stored for a moment."""
        limit, unfolded = ExpansionLimit(file.uri, expansion), 0
        with tempfile.TemporaryFile() as local:
            shutil.copyfileobj(stream, local, _CHUNK_BYTES)
            try:
                parquet = pq.ParquetFile(local)
            except pa.ArrowException as error:
                raise PipelineError(f"{file.uri} is no whole Parquet file: {error}") from error
            missing = [it for it in self.fields.values() if it not in parquet.schema_arrow.names]
            if missing:
                raise PipelineError(f"{file.uri} lacks column {', '.join(missing)}")
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=list(self.fields.values())):
                columns = [_as_text(batch.column(name)) for name in self.fields.values()]
                unfolded += sum(column.nbytes for column in columns)
                limit.require(unfolded, file.size)
                nothing = pa.nulls(len(batch), pa.string())
                names = [*self.fields, "problem", "raw"]
                yield pa.RecordBatch.from_arrays([*columns, nothing, nothing], names)

    def _json(
        self, file: StoredObject, stream: BinaryIO, expansion: int
    ) -> Iterator[pa.RecordBatch]:
        lines = _lines(file.uri, inflated_chunks(file.uri, stream, _CHUNK_BYTES, expansion))
        while found := list(islice(lines, _BATCH_ROWS)):
            yield self._objects(found)

    def _objects(self, lines: Sequence[bytes]) -> pa.RecordBatch:
        """The fields of lines, numbers as they are written; or what is wrong with a line."""
        read = [_object(line) for line in lines]
        found = [it if isinstance(it, dict) else {} for it in read]
        problems = [None if isinstance(it, dict) else it for it in read]
        raw = [problem and _shown(line) for problem, line in zip(problems, lines, strict=True)]
        fields = [_texts([it.get(name) for it in found]) for name in self.fields.values()]
        columns = [*fields, pa.array(problems, pa.string()), pa.array(raw, pa.string())]
        return pa.RecordBatch.from_arrays(columns, [*self.fields, "problem", "raw"])


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


def _numbered(uri: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    before = 0
    for batch in batches:
        numbers = pa.array(range(before + 1, before + len(batch) + 1), pa.int64())
        numbered = batch.append_column("row_number", numbers)
        yield numbered.append_column("source_uri", pa.repeat(pa.scalar(uri), len(batch)))
        before += len(batch)


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
