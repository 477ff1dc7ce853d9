"""Rows on their way: Parquet objects on S3, and the manifest that COPY reads them by."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.conversion import conformed
from pipeline_assets.warehouses.redshift.sql import LONGEST_TEXT, staged_schema
from pipeline_assets.warehouses.rows import count_rows
from pipeline_assets.warehouses.table import PartitionValue, WarehouseTable

FILE_BYTES: Final = 32 << 20
"""A file ends when it has grown to this size; the slices of a cluster read several at once."""


@dataclass(frozen=True)
class WaitingRows:
    """Rows that wait for COPY.

    Attributes:
        manifest: URI of the manifest.
        uris: All objects, the manifest included; there is none without rows.
        rows: How many rows each partition has.
    """

    manifest: str
    uris: tuple[str, ...]
    rows: Mapping[PartitionValue, int]


def write_waiting(
    table: WarehouseTable, batches: Iterable[pa.RecordBatch], store: ObjectStore, prefix: str
) -> WaitingRows:
    """Write rows as Parquet objects, one in memory at a time, and their manifest last.

    Raises:
        PipelineError: A text is longer than Redshift holds, or has a NUL; S3 refuses.
    """
    rows: Counter[PartitionValue] = Counter()
    sizes: dict[str, int] = {}
    with ExitStack() as undo:
        undo.callback(lambda: store.delete(list(sizes)))
        for number, data in enumerate(_files(table, batches, rows)):
            uri = f"{prefix}/{number:05}.parquet"
            store.put(uri, data)
            sizes[uri] = len(data)
        undo.pop_all()
    manifest = f"{prefix}/manifest.json"
    if sizes:
        store.put(manifest, json.dumps(_manifest(sizes)).encode())
    return WaitingRows(manifest, (*sizes, manifest) if sizes else (), rows)


def _manifest(sizes: Mapping[str, int]) -> dict[str, Any]:
    """What COPY wants of each file; it refuses a load of which one is missing."""
    entries = [
        {"url": uri, "mandatory": True, "meta": {"content_length": size}}
        for uri, size in sizes.items()
    ]
    return {"entries": entries}


def _files(
    table: WarehouseTable, batches: Iterable[pa.RecordBatch], rows: Counter[PartitionValue]
) -> Iterator[bytes]:
    schema = staged_schema(table)
    remaining = iter(batches)
    while (first := next(remaining, None)) is not None:
        buffer = io.BytesIO()
        # Timestamps of the old kind, and snappy: what every Redshift reads.
        with pq.ParquetWriter(
            buffer, schema, compression="snappy", use_deprecated_int96_timestamps=True
        ) as writer:
            batch: pa.RecordBatch | None = first
            while batch is not None:
                _require_storable(table, batch)
                writer.write_batch(_staged(batch, schema))
                count_rows(rows, table, batch)
                batch = next(remaining, None) if buffer.tell() < FILE_BYTES else None
        yield buffer.getvalue()


def _staged(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in the types that files hold; a time in UTC is the same without its zone."""
    columns = [
        column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column
        for column in batch.columns
    ]
    return conformed(pa.RecordBatch.from_arrays(columns, names=batch.schema.names), schema)


def _require_storable(table: WarehouseTable, batch: pa.RecordBatch) -> None:
    for column in batch.schema:
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        texts = batch.column(column.name)
        longest = pc.max(pc.binary_length(texts)).as_py() or 0
        if longest > LONGEST_TEXT:
            raise PipelineError(
                f"{table}: {column.name!r} holds a text of {longest:,} bytes, and Redshift stores "
                f"at most {LONGEST_TEXT:,}; shorten it"
            )
        if pc.any(pc.match_substring(texts, "\0")).as_py():
            raise PipelineError(
                f"{table}: {column.name!r} holds what Redshift can't store (a NUL character); "
                "replace it"
            )
