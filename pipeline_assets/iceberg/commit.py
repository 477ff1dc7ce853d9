"""The parts of a commit: one snapshot that replaces the files of some partitions.

Engines write the Parquet files beforehand, so a commit only changes metadata.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pyiceberg.expressions import AlwaysTrue, BooleanExpression, In
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import IdentityTransform

from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord, Readable
from pipeline_assets.iceberg.history import (
    SUMMARY_PROPERTY,
    dumped,
)
from pipeline_assets.iceberg.upkeep.manifests import planned


def without_history(metadata: TableMetadata) -> TableMetadata:
    """The metadata to build a commit on, without old snapshots and partition records.

    pyiceberg copies the metadata some twenty times during a commit, which would take longer with
    every publish. The catalog applies the commit's changes to the complete metadata, so nothing is
    lost.
    """
    current = metadata.current_snapshot()
    light = {"snapshots": [current] if current else [], "snapshot_log": []}
    others = {
        it: text for it, text in metadata.properties.items() if not it.startswith("pipeline.")
    }
    return metadata.model_copy(update={**light, "properties": others})


def partition_spec(schema: Schema, column: str | None) -> PartitionSpec:
    """One partition for each value of a column; without a column the table has a single one."""
    if column is None:
        return PartitionSpec()
    source = schema.find_field(column).field_id
    return PartitionSpec(PartitionField(source, 1000, IdentityTransform(), column))


def data_files(
    iceberg: Table, table: Readable, keys: Sequence[str] | None, snapshot_id: int | None = None
) -> Iterator[IcebergFile]:
    """The files of some partitions in a snapshot, by default the current one."""
    if iceberg.current_snapshot() is None:
        return
    scan = iceberg.scan(row_filter=in_partitions(table, keys), snapshot_id=snapshot_id)
    yield from planned(scan, table)


def in_partitions(table: Readable, keys: Sequence[str] | None) -> BooleanExpression:
    """The filter that selects some partitions; None selects all."""
    if keys is None or table.partition_column is None:
        return AlwaysTrue()
    return In(term=table.partition_column, literals=set(keys))


def replace_files(
    transaction: Transaction,
    table: LakeTable,
    replaced: Iterable[IcebergFile],
    files: Sequence[str],
    records: Mapping[str, PartitionRecord | None],
) -> None:
    """One snapshot that drops the old files and adds the new ones.

    The predicate names the replaced partitions. So pyiceberg finds a conflict only where another
    process has published the same ones, and need not compare files for any other publish.
    """
    # Loads Arrow, which readers do without.
    from pyiceberg.io.pyarrow import parquet_files_to_data_files

    metadata = transaction.table_metadata
    # Files that engines write carry no field ids, so readers match columns by this mapping.
    if metadata.name_mapping() is None:
        mapping = metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties({"schema.name-mapping.default": mapping})
    added = parquet_files_to_data_files(
        transaction._table.io, transaction.table_metadata, iter(files)
    )
    summary = {
        SUMMARY_PROPERTY: json.dumps({key: dumped(record) for key, record in records.items()})
    }
    with transaction.update_snapshot(snapshot_properties=summary).overwrite() as overwrite:
        overwrite.delete_by_predicate(in_partitions(table, list(records)))
        for file in replaced:
            overwrite.delete_data_file(file)
        for new in added:
            overwrite.append_data_file(new)
