"""The parts of a commit: one snapshot that replaces the files of some partitions.

Engines write the Parquet files beforehand, so a commit only changes metadata.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, In
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import AssertTableUUID, TableUpdate
from pyiceberg.transforms import IdentityTransform

from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord, Readable
from pipeline_assets.iceberg.agreement import write_hint
from pipeline_assets.iceberg.catalog import CatalogAccess
from pipeline_assets.iceberg.history import INDEX, summary_of
from pipeline_assets.iceberg.upkeep.manifests import planned

_TABLE_PROPERTIES: Final = {
    # Every commit writes a metadata file; without this, old ones would pile up for ever.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
}


class SameRecords(AssertTableUUID):
    """The table must still name the index of records that a commit was built on."""

    index: str | None

    # pydantic has a method of this name that nobody uses, and pyiceberg's replace it likewise.
    def validate(self, base_metadata: TableMetadata | None) -> None:  # type: ignore[override]
        """Raise pyiceberg's error of a commit that another process came before."""
        super().validate(base_metadata)
        if base_metadata and base_metadata.properties.get(INDEX) != self.index:
            raise CommitFailedException("another process has replaced the index of records")


class _OneCopy(Transaction):
    """A transaction that copies the table's metadata once for each of its changes.

    pyiceberg's copies it whenever somebody looks at it, some twenty times in a commit, which is a
    third of what a commit costs.
    """

    _seen: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata as the changes so far leave it."""
        before, updates = self._table.metadata, self._updates
        if self._seen is None or self._seen[0] is not before or self._seen[1] is not updates:
            self._seen = (before, updates, super().table_metadata)
        return self._seen[2]


@contextmanager
def commit_to(iceberg: Table) -> Iterator[Transaction]:
    """One commit, which is refused if another process has changed what it was built on.

    Wrap what leads to it in :data:`beside_others`, which repeats it: pyiceberg's own repetition
    would keep the records that were read before.
    """
    with _OneCopy(iceberg) as transaction:
        known = iceberg.metadata
        same = SameRecords(uuid=known.table_uuid, index=known.properties.get(INDEX))
        transaction._stage((), (same,))
        yield transaction
    write_hint(iceberg.io, iceberg.metadata_location)


def _light(metadata: TableMetadata) -> TableMetadata:
    """The metadata to build a commit on, without old snapshots.

    pyiceberg copies the metadata several times during a commit. The catalog applies the commit's
    changes to the complete metadata, so nothing is lost.
    """
    current = metadata.current_snapshot()
    light = {"snapshots": [current] if current else [], "snapshot_log": []}
    once = {TableProperties.COMMIT_NUM_RETRIES: "0"}
    return metadata.model_copy(update={**light, "properties": metadata.properties | once})


def partition_spec(schema: Schema, column: str | None) -> PartitionSpec:
    """One partition for each value of a column; without a column the table has a single one."""
    if column is None:
        return PartitionSpec()
    source = schema.find_field(column).field_id
    return PartitionSpec(PartitionField(source, 1000, IdentityTransform(), column))


def create_table(access: CatalogAccess, table: LakeTable, schema: Schema) -> Table:
    """A table in which nothing was published yet, where its catalog will have it."""
    # Where two processes create the table, one gets an error, and its whole step is repeated.
    catalog, identifier = access.open(), access.identifier(table)
    catalog.create_namespace_if_not_exists(identifier.partition(".")[0])
    return catalog.create_table(
        identifier,
        schema=schema,
        location=access.place(table) if access.takes_places else None,
        partition_spec=partition_spec(schema, table.partition_column),
        properties=_TABLE_PROPERTIES,
    )


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
    iceberg: Table,
    table: LakeTable,
    replaced: Iterable[IcebergFile],
    files: Sequence[str],
    records: Mapping[str, PartitionRecord | None],
    notes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Commit one snapshot that drops the old files and adds the new ones, with their records.

    Args:
        iceberg: The table in which the replaced files were found; whoever changes it meanwhile has
            the commit refused.
        table: The same.
        replaced: Files that go.
        files: Files that come.
        records: Of the partitions that are replaced.
        notes: What else the snapshot's summary says.
    """
    # Loads Arrow, which readers do without.
    from pyiceberg.io.pyarrow import parquet_files_to_data_files

    from pipeline_assets.iceberg.upkeep.merging import MergingOverwrite

    summary = {**summary_of(iceberg, records), **notes}
    iceberg.metadata = _light(iceberg.metadata)
    with commit_to(iceberg) as transaction:
        metadata = transaction.table_metadata
        # Files that engines write carry no field ids, so readers match columns by this mapping.
        if metadata.name_mapping() is None:
            mapping = metadata.schema().name_mapping.model_dump_json()
            transaction.set_properties({"schema.name-mapping.default": mapping})
        added = parquet_files_to_data_files(iceberg.io, transaction.table_metadata, iter(files))
        with MergingOverwrite.begin(transaction, iceberg.io, summary) as overwrite:
            overwrite.delete_by_predicate(in_partitions(table, list(records)))
            for file in replaced:
                overwrite.delete_data_file(file)
            for new in added:
                overwrite.append_data_file(new)
