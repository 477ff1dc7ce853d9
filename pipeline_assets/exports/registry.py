"""What writes to destinations outside the lake: the registry that is handed to whoever stages."""

from collections.abc import Mapping
from typing import Any

from pipeline_assets.dataset.values.database import Database
from pipeline_assets.dataset.values.destinations import CsvObject, KeyedRows, LoadedTable
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.exports.csv import CsvExporter
from pipeline_assets.exports.exporter import Exporter
from pipeline_assets.exports.keys import KeyExporter
from pipeline_assets.exports.warehouse import WarehouseExporter
from pipeline_assets.keys.store import KeyStore


def exporters(
    engine: EmbeddedEngine,
    store: ObjectStore,
    lake_uri: str,
    databases: Mapping[str, Database],
    keys: KeyStore,
) -> Mapping[str, Exporter[Any]]:
    """An exporter for every kind of destination.

    Args:
        engine: Computes the rows.
        store: Holds the lake.
        lake_uri: Where it lies.
        databases: Outside the lake, by name.
        keys: The DynamoDB table of rows by key.
    """
    return {
        CsvObject.kind: CsvExporter(engine, store, lake_uri),
        LoadedTable.kind: WarehouseExporter(engine, databases),
        KeyedRows.kind: KeyExporter(engine, keys),
    }
