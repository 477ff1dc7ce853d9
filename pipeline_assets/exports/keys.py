"""Partitions as rows by key in DynamoDB."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import ibis
import pyarrow as pa

from pipeline_assets.dataset.sql import to_sql
from pipeline_assets.dataset.values.damage import Damage
from pipeline_assets.dataset.values.destinations import KeyedRows
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.exports.exporter import Outgoing, listing_of
from pipeline_assets.keys.client import KeyTable
from pipeline_assets.keys.items import Shown
from pipeline_assets.keys.reading import counted, read_state
from pipeline_assets.keys.store import KeyStore
from pipeline_assets.keys.values import finite, row_text
from pipeline_assets.keys.writing import KeyRows, StagedVersion, stage

_KEY = "__key__"
_PARTITION = "__partition__"


@dataclass(frozen=True)
class StagedKeys:
    """A :class:`~pipeline_assets.exports.exporter.StagedExport`: a version that can be shown."""

    listing: pa.RecordBatch
    version: StagedVersion

    def commit(self) -> None:
        """Show the version, all partitions at once."""
        self.version.show()

    def discard(self) -> None:
        """Have its items expire."""
        self.version.discard()


@dataclass(frozen=True)
class KeyExporter:
    """The :class:`~pipeline_assets.exports.exporter.Exporter` of rows by key.

    Attributes:
        engine: Reads the inputs and sorts the rows, streaming.
        store: Where they go.
    """

    engine: EmbeddedEngine
    store: KeyStore

    def stage(self, destination: KeyedRows, outgoing: Outgoing) -> StagedKeys:
        """Write all partitions as one version.

        Raises:
            PipelineError: The rows cannot be computed, or DynamoDB not be reached or refuses.
        """
        keys = self.store.require()
        schema = pa.schema(destination.rows.schema.to_pyarrow())
        snapshots = [source.snapshot_id for source in outgoing.inputs.values()]
        with self.engine.stream(outgoing.inputs, _sorted(destination, outgoing)) as batches:
            version = stage(
                keys,
                destination.table,
                outgoing.versions,
                _groups(batches),
                schema,
                snapshots[0] if len(snapshots) == 1 else None,
            )
        entries = {
            key: {
                "uri": _uri(keys, destination),
                "rows": version.rows[key],
                "number": version.number,
                "version": outgoing.versions[key],
            }
            for key in outgoing.versions
        }
        return StagedKeys(listing_of(outgoing.table, entries), version)

    def damages(
        self, destination: KeyedRows, listed: Mapping[str, Mapping[str, Any]], *, deep: bool
    ) -> Iterator[Damage]:
        """See :class:`~pipeline_assets.exports.exporter.Exporter`; deep counts all rows.

        A table of keys that is not configured any more has nothing to answer for.
        """
        if not self.store.is_set or not listed:
            return
        keys = self.store.require()
        state = read_state(keys, destination.table)
        shown = dict(state.shown) if state else {}
        there = dict(counted(keys, destination.table)) if deep else shown
        for key, entry in listed.items():
            wanted = Shown(entry["number"], entry["rows"])
            found = there.get(key, Shown(0, 0))
            if found != wanted:
                what = (
                    f"holds {found.rows:,} rows of version {found.number} of {key}, "
                    f"not {wanted.rows:,} of version {wanted.number}"
                )
                yield Damage(_uri(keys, destination), what, (key,))


def _uri(keys: KeyTable, destination: KeyedRows) -> str:
    return f"dynamodb://{keys.name}/{destination.table}"


def _sorted(destination: KeyedRows, outgoing: Outgoing) -> str:
    """The rows of a key one after the other, each with its partition and key as text."""
    rows, by = outgoing.rows, destination.by
    texts = {
        _PARTITION: rows[destination.partition_column].cast("string"),
        _KEY: rows[by.column].cast("string"),
    }
    order = [ibis._[_PARTITION], ibis._[_KEY], *by.order]
    return to_sql(rows.mutate(**texts).order_by(order), "duckdb")


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[KeyRows]:
    rows = (_keyed(row) for batch in batches for row in batch.to_pylist())
    for (partition, key), group in groupby(rows, itemgetter(0, 1)):
        yield KeyRows(partition, key, tuple(text for _, _, text in group))


def _keyed(row: dict[str, Any]) -> tuple[str, str, str]:
    """The partition, the key and the row itself as JSON."""
    own = {name: finite(value) for name, value in row.items() if name not in (_PARTITION, _KEY)}
    return row[_PARTITION], row[_KEY], row_text(own)
