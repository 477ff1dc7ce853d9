"""What the columns of a file hold, as its first records show."""

import csv
import json
import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, get_args

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_assets.dataset.values.objects import StoredObject
from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.any_file import FileFormat, FileRecords
from pipeline_assets.landing.byte_stream import inflated_chunks
from pipeline_assets.landing.delimited import RFC_4180, TSV
from pipeline_assets.landing.typed_text import TextKind, says_nothing, typed_value
from pipeline_assets.storage.local_listing import local_etag
from pipeline_assets.storage.objects import LocalStore

RECORDS: Final = 200_000
_ENOUGH: Final = 0.98
"""If so many of the fields are values of a kind, the others are mistakes."""
_KINDS: Final[tuple[TextKind, ...]] = ("whole", "number", "truth", "date", "moment")
_RESERVED: Final = {"source_uri", "row_number", "problem", "raw", "reason", "Config"}
_LEADING_ZERO: Final = r"^-?0[0-9]"
"""Such digits are a code and no number, which would lose the zero."""


@dataclass(frozen=True)
class Inferred:
    """A file's format, and what its columns are called and hold.

    Attributes:
        records: How the file is read.
        kinds: What each column holds.
        required: Columns that have a value in every record that was looked at.
    """

    records: FileRecords
    kinds: Mapping[str, TextKind]
    required: tuple[str, ...]


def infer(path: Path) -> Inferred:
    """Look at the first records of a file.

    Raises:
        PipelineError: It cannot be read, or has no record.
    """
    format_ = _format(path)
    records = FileRecords(format_, _identifiers(_fields(path, format_)))
    sample = _sample(path, records)
    if not len(sample):
        raise PipelineError(f"{path} holds no sound record to learn from")
    counted = _counted(ibis.memtable(sample), records.fields)
    kinds = {name: _kind(name, counted) for name in records.fields}
    required = tuple(
        name for name, kind in kinds.items() if not counted[_nothing(name, kind == "text")]
    )
    return Inferred(records, kinds, required)


def _format(path: Path) -> FileFormat:
    ending = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    formats: dict[str, FileFormat] = {name: name for name in get_args(FileFormat)}
    if ending in formats:
        return formats[ending]
    raise PipelineError(f"{path}: the name must end in .csv, .tsv, .parquet or .jsonl (or .gz)")


def _fields(path: Path, format_: FileFormat) -> list[str]:
    """What the file calls its columns."""
    if format_ == "parquet":
        try:
            return list(pq.read_schema(path).names)
        except pa.ArrowException as error:
            raise PipelineError(f"{path} is no whole Parquet file: {error}") from error
    lines = _text_lines(path)
    if format_ == "jsonl":
        return list(dict.fromkeys(name for line in islice(lines, 1000) for name in _names(line)))
    dialect = TSV if format_ == "tsv" else RFC_4180
    quoted = csv.reader(lines, delimiter=dialect.delimiter)
    plain = csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
    found = next(quoted if dialect.quoting else plain, [])
    twice = {name for name in found if found.count(name) > 1}
    if not found or twice or not all(found):
        raise PipelineError(f"{path}: its first line must name every column once, but is {found}")
    return found


def _names(line: str) -> Iterator[str]:
    try:
        found = json.loads(line)
    except ValueError:
        return
    yield from found if isinstance(found, dict) else ()


def _text_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as stream:
        rest = ""
        for chunk in inflated_chunks(str(path), stream, 1 << 20):
            *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
            yield from (line.removesuffix("\r") for line in lines)
        yield rest


def _identifiers(fields: list[str]) -> dict[str, str]:
    """Names that Python and SQL take as they are, each with the name in the file."""
    found: dict[str, str] = {}
    for field in fields:
        name = re.sub(r"\W+", "_", field.strip().lower()).strip("_") or "column"
        if name[0].isdigit() or keyword.iskeyword(name) or name in _RESERVED:
            name = f"field_{name}"
        number = sum(known == name or known.startswith(f"{name}_") for known in found)
        found[f"{name}_{number + 1}" if name in found else name] = field
    return found


def _sample(path: Path, records: FileRecords) -> pa.Table:
    """The sound records among the first ones, as text."""
    stat = path.stat()
    modified = datetime.fromtimestamp(stat.st_mtime, UTC)
    item = StoredObject(str(path.resolve()), local_etag(stat), stat.st_size, modified)
    workspace = Workspace((), LocalStore(), "", 1, SILENT, lambda _: None)
    batches, rows = [], 0
    for batch in records.batches((item,), workspace):
        batches.append(batch.select([*records.fields, "problem"]))
        rows += len(batch)
        if rows >= RECORDS:
            break
    schema = pa.schema([(name, pa.string()) for name in (*records.fields, "problem")])
    table = pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)
    return table.filter(table["problem"].is_null()).drop_columns(["problem"])


def _counted(sample: ir.Table, names: Mapping[str, str]) -> Mapping[str, int]:
    """Per column: the fields that say nothing, the values of each kind, and the codes."""
    sums: dict[str, ir.Value] = {}
    for name in names:
        text = sample[name]
        sums[_nothing(name, True)] = says_nothing(text, "text").sum()
        sums[_nothing(name, False)] = says_nothing(text, "whole").sum()
        sums[f"{name} codes"] = text.re_search(_LEADING_ZERO).sum()
        for kind in _KINDS:
            sums[f"{name} {kind}"] = typed_value(text, kind).count()
    rows = sample.aggregate(rows=sample.count(), **sums).to_pyarrow().to_pylist()
    return {name: int(count or 0) for name, count in rows[0].items()}


def _nothing(name: str, is_text: bool) -> str:
    return f"{name} empty" if is_text else f"{name} nothing"


def _kind(name: str, counted: Mapping[str, int]) -> TextKind:
    filled = counted["rows"] - counted[_nothing(name, False)]
    if not filled or counted[f"{name} codes"]:
        return "text"
    for kind in _KINDS:
        if counted[f"{name} {kind}"] >= _ENOUGH * filled:
            return kind
    return "text"
