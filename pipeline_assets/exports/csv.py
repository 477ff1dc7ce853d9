"""Partitions as CSV objects under names that programs outside the lake rely on.

An object is staged under a fresh prefix, and committed by moving it to its name.

The CSV: UTF-8, a header, commas, every field in double quotes, ``"`` written ``""``, a null as
``""``, lines ended by LF. The rows are sorted, so that equal rows make equal bytes: an object
exported once more for an unchanged partition is the one that the listing describes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Final

import ibis.expr.types as ir
import pyarrow as pa

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.dataset.values.damage import Damage
from pipeline_assets.dataset.values.destinations import CsvObject
from pipeline_assets.dataset.values.objects import ObjectStore, encode_key
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.exports.exporter import Outgoing, listing_of

_CHUNK_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class WrittenObject:
    """An object of one partition.

    Attributes:
        staged_uri: Where it was written.
        uri: Its name once it is committed.
        rows: Its rows, the header not counted.
        bytes: Its size.
        sha256: Of its bytes, in hex.
    """

    staged_uri: str
    uri: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class StagedObjects:
    """A :class:`~pipeline_assets.exports.exporter.StagedExport`: objects without their names."""

    listing: pa.RecordBatch
    objects: Mapping[str, WrittenObject]
    store: ObjectStore

    def commit(self) -> None:
        """Give every object its name; readers of that name see the old or the new one, whole."""
        for written in self.objects.values():
            self.store.move(written.staged_uri, written.uri)

    def discard(self) -> None:
        """Delete the objects that have no name yet."""
        for written in self.objects.values():
            attempts = written.staged_uri.rsplit("/", 2)[0]
            self.store.delete([written.staged_uri], below=attempts)


@dataclass(frozen=True)
class CsvExporter:
    """The :class:`~pipeline_assets.exports.exporter.Exporter` of CSV objects.

    Attributes:
        engine: Reads the inputs and writes the rows, streaming.
        store: Where the objects lie.
        lake_uri: Their names are below it.
    """

    engine: EmbeddedEngine
    store: ObjectStore
    lake_uri: str

    def stage(self, destination: CsvObject, outgoing: Outgoing) -> StagedObjects:
        """Write one object for each partition, and read back what was stored.

        Raises:
            PipelineError: The rows cannot be computed, or an object not be written or read.
        """
        objects = {key: self._write(key, destination, outgoing) for key in outgoing.versions}
        entries = {key: asdict(written) for key, written in objects.items()}
        return StagedObjects(listing_of(outgoing.table, entries), objects, self.store)

    def damages(
        self, destination: CsvObject, listed: Mapping[str, Mapping[str, Any]], *, deep: bool
    ) -> Iterator[Damage]:
        """See :class:`~pipeline_assets.exports.exporter.Exporter`."""
        folder = destination.uri(self.lake_uri, "").rpartition("/")[0]
        sizes = {item.uri: item.size for item in self.store.list(folder)}
        for key, entry in listed.items():
            uri = destination.uri(self.lake_uri, key)
            if uri not in sizes:
                yield Damage(uri, "is missing", (key,))
            elif sizes[uri] != entry["bytes"]:
                yield Damage(uri, f"has {sizes[uri]:,} bytes, not {entry['bytes']:,}", (key,))
            elif deep and _measure(uri, self.store)[1] != entry["sha256"]:
                yield Damage(uri, "was changed: its checksum differs", (key,))

    def _write(self, key: str, destination: CsvObject, outgoing: Outgoing) -> WrittenObject:
        rows, column = outgoing.rows, outgoing.table.partition_column
        own = rows.filter(rows[column].cast("string") == key) if column else rows
        written = own.select(*destination.written(outgoing.config))
        sql = to_sql(_as_text(written), self.engine.dialect)
        staged_uri = f"{outgoing.fresh_uri}/{encode_key(key) or outgoing.table.name}.csv"
        count = self.engine.write_csv(outgoing.inputs, sql, staged_uri)
        size, sha256 = _measure(staged_uri, self.store)
        uri = destination.uri(self.lake_uri, key)
        return WrittenObject(staged_uri, uri, count, size, sha256)


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
