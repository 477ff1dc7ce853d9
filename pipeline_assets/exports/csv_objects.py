"""Exports: partitions as objects under names that programs outside the lake rely on.

An export asset is a function on tables like any other, but its rows become one CSV object per
partition. Its lake table lists these objects, so that staleness, history and checks work as
everywhere. An object is written under a fresh prefix, audited there, and moved to its name right
before the commit. Where a process is killed between the two, the object is newer than the table
says; the inputs' versions in the table are the old ones, so the next update makes both again.

The CSV: UTF-8, a header, commas, every field in double quotes, ``"`` written ``""``, a null as
``""``, lines ended by LF. The rows are sorted, so that equal rows make equal bytes: an object made
once more for an unchanged partition is the one that the table describes.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Final

import ibis.expr.types as ir
import pyarrow as pa

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.dataset.values.destinations import Export
from pipeline_assets.dataset.values.objects import ObjectStore, encode_key
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from spark_resources.job import Source

_CHUNK_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class ExportedObject:
    """An object that is written, but not yet under its name.

    Attributes:
        key: The partition.
        staged_uri: Where it was written.
        uri: Its name.
        rows: Its rows, the header not counted.
        bytes: Its size.
        sha256: Of its bytes, in hex.
    """

    key: str
    staged_uri: str
    uri: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ExportWriter:
    """Writes the objects of one publication.

    Attributes:
        export: What to write.
        table: The table that lists the objects.
        engine: Reads the inputs and writes the rows, streaming.
        store: Where the objects lie.
        lake_uri: Their names are below it.
        fresh_uri: They are written below it.
    """

    export: Export
    table: LakeTable
    engine: EmbeddedEngine
    store: ObjectStore
    lake_uri: str
    fresh_uri: str

    def write(self, key: str, rows: ir.Table, inputs: Mapping[str, Source]) -> ExportedObject:
        """Write one partition's rows, and read back what was stored.

        Args:
            key: The partition.
            rows: Of all partitions to be made.
            inputs: What the rows are computed from, by table name.

        Raises:
            PipelineError: The rows cannot be computed, or the object not be written or read.
        """
        column = self.table.partition_column
        own = rows.filter(rows[column].cast("string") == key) if column else rows
        staged_uri = f"{self.fresh_uri}/{encode_key(key) or self.table.name}.csv"
        count = self.engine.write_csv(
            inputs, to_sql(_as_text(own), self.engine.dialect), staged_uri
        )
        size, sha256 = _measure(staged_uri, self.store)
        uri = self.export.uri(self.lake_uri, key)
        return ExportedObject(key, staged_uri, uri, count, size, sha256)

    def listing(self, objects: Iterable[ExportedObject]) -> pa.RecordBatch:
        """Rows of the table that lists the objects."""
        return listing(self.table, [(item.key, asdict(item)) for item in objects])


def listing(table: LakeTable, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> pa.RecordBatch:
    """Rows of a table with one entry for each partition, by key."""
    column = table.partition_column
    schema = pa.schema(table.contract.schema.to_pyarrow())
    texts = pa.schema([(f.name, pa.string() if f.name == column else f.type) for f in schema])
    rows = [{**entry, **({column: key} if column else {})} for key, entry in entries]
    return pa.RecordBatch.from_pylist(rows, schema=texts).cast(schema)


def _as_text(rows: ir.Table) -> ir.Table:
    """The rows sorted, as what is written in their fields."""
    texts = {name: rows[name].cast("string").fill_null("") for name in rows.columns}
    return rows.select(**texts).order_by(rows.columns)


def _measure(uri: str, store: ObjectStore) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    with closing(store.open(uri)) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
