"""The lake: publish partitions of Iceberg tables, read one snapshot, list and restore history.

A publish is one commit that replaces whole partitions, so readers see either the old rows or the
new ones. Each partition has a record of what it was materialised from, which is committed with it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, In
from pyiceberg.table import Table

from pipeline_assets.dataset.values.table import (
    LakeTable,
    PartitionRecord,
    Readable,
    TableName,
    TableState,
)
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.agreement import load, load_to_commit, location_of
from pipeline_assets.iceberg.catalog import CatalogAccess, beside_others, one_line_errors
from pipeline_assets.iceberg.checksums import Checksum, seal
from pipeline_assets.iceberg.commit import create_table, data_files, in_partitions, replace_files
from pipeline_assets.iceberg.evolution import evolution, follow, former_names
from pipeline_assets.iceberg.history import (
    HistoryEntry,
    current_records,
    history_of,
    pinned,
    records_at,
)
from pipeline_assets.iceberg.upkeep.manifests import rows_in
from pipeline_assets.iceberg.upkeep.tidying import tidy

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema

# Every publish changes it, so that a catalog that lacks anything lacks a commit of it.
STATISTICS: Final = TableName("lake", "profiles")


@dataclass(frozen=True)
class Lake:
    """The published tables."""

    access: CatalogAccess

    def published(self, namespaces: Collection[str] | None = None) -> list[TableName]:
        """The tables that the catalog knows, or those in some namespaces; case does not matter.

        Raises:
            PipelineError: The catalog cannot be read, or lacks what is in storage.
        """
        with one_line_errors("read the catalog"):
            if namespaces is None:
                self.load_to_commit(STATISTICS)
            catalog = self.access.open()
            return [
                TableName(own, table)
                for name, own in self.access.namespaces().items()
                if namespaces is None or own.casefold() in namespaces
                for _, table in catalog.list_tables(name)
            ]

    def location(self, table: Readable) -> str:
        """Where a table's files lie; see :func:`.agreement.location_of`."""
        return location_of(self.access, table)

    def writing_location(self, table: LakeTable) -> str:
        """The same for whoever writes files before the commit that publishes them.

        A catalog that chooses places is asked for one by creating the table.

        Raises:
            PipelineError: The catalog cannot be read or written.
        """
        if self.access.chooses_places:
            with one_line_errors(f"create {table}"):
                self._require_table(table)
        return self.location(table)

    @beside_others
    def _require_table(self, table: LakeTable) -> None:
        if self.load(table) is None:
            self.create(table)

    def publish(
        self,
        table: LakeTable,
        files: Sequence[str],
        records: Mapping[str, PartitionRecord | None],
        checksums: Mapping[str, Checksum] = MappingProxyType({}),
    ) -> int:
        """Replace partitions in one commit.

        Args:
            table: The table; it is created, or gets new columns, where needed.
            files: Parquet files that hold all rows of the partitions.
            records: A record for every partition that is replaced, even if it is empty now; None
                for one that goes.
            checksums: Of files that the attempt wrote, where whoever wrote them knows.

        Returns:
            The id of the new snapshot.

        Raises:
            PipelineError: The catalog or a file cannot be read or written, or other processes kept
                changing the same table.
        """
        with one_line_errors(f"publish {table}"):
            seal(self.access.store, self.location(table), files, checksums)
            return self._commit(table, files, dict(records))

    def read(self, table: Readable, keys: Sequence[str] | None = None) -> TableState:
        """The files and records of some partitions, or of all, in the current snapshot.

        Raises:
            PipelineError: The catalog or the table's metadata cannot be read.
        """
        with one_line_errors(f"read {table}"):
            iceberg = self.load(table)
            if iceberg is None:
                return TableState(None, (), {})
            columns = {it.name: str(it.field_type) for it in iceberg.schema().fields}
            if iceberg.current_snapshot() is None:
                return TableState(None, (), {}, columns)
            records = current_records(iceberg)
            # A backfill may ask for thousands of windows of which few exist: a filter on all their
            # keys would make the scan slow.
            chosen = None if keys is None else [key for key in keys if key in records]
            return TableState(
                snapshot_id=iceberg.metadata.current_snapshot_id,
                files=tuple(file.file_path for file in data_files(iceberg, table, chosen)),
                records=records if chosen is None else {key: records[key] for key in chosen},
                columns=columns,
                former=former_names(iceberg, iceberg.schema()),
            )

    def records(self, table: Readable) -> Mapping[str, PartitionRecord]:
        """The records of all published partitions; no file is listed.

        Raises:
            PipelineError: The catalog or the table's metadata cannot be read.
        """
        with one_line_errors(f"read {table}"):
            iceberg = self.load(table)
            return current_records(iceberg) if iceberg else {}

    def rows(self, table: LakeTable, state: TableState) -> "pa.Table":
        """All rows that :meth:`read` found. They are held in memory, so the table must be small.

        Raises:
            PipelineError: The catalog or a file cannot be read.
        """
        with one_line_errors(f"read {table}"):
            iceberg = self.load(table)
            if iceberg is None or state.snapshot_id is None:
                return self.arrow_schema(table).empty_table()
            filter_ = in_partitions(table, list(state.records))
            return rows_in(iceberg.scan(filter_, snapshot_id=state.snapshot_id), table)

    def select(self, table: LakeTable, values: Mapping[str, Collection[str]]) -> "pa.Table":
        """The rows whose columns each have one of the given values.

        Raises:
            PipelineError: The catalog or a file cannot be read.
        """
        with one_line_errors(f"read {table}"):
            iceberg = self.load(table)
            if iceberg is None:
                return self.arrow_schema(table).empty_table()
            every: BooleanExpression = AlwaysTrue()
            for column, found in values.items():
                every = And(every, In(term=column, literals=set(found)))
            return rows_in(iceberg.scan(every), table)

    def arrow_schema(self, table: LakeTable) -> "pa.Schema":
        """A table's schema in Arrow."""
        return _schema(table).as_arrow()

    def schema_changes(self, table: LakeTable) -> tuple[str, ...]:
        """What the next publish changes in a table's columns; see :mod:`.evolution`."""
        iceberg = self.load(table)
        return tuple(evolution(iceberg.metadata, table).lines()) if iceberg else ()

    def history(self, table: Readable) -> list[HistoryEntry]:
        """Every publish whose snapshot has not expired, oldest first.

        Raises:
            PipelineError: The catalog or the table's metadata cannot be read.
        """
        with one_line_errors(f"read the history of {table}"):
            iceberg = self.load(table)
            return history_of(iceberg, iceberg.metadata.current_snapshot_id) if iceberg else []

    def restore(
        self, table: LakeTable, snapshot_id: int, keys: Sequence[str] | None = None
    ) -> Mapping[str, PartitionRecord | None]:
        """Publish again what a snapshot held.

        The restored record names today's inputs and code, so that the next update does not replace
        the partition before one of them changes. Assets downstream become stale and follow.

        Args:
            table: The table.
            snapshot_id: One of :meth:`history`.
            keys: The partitions to restore; by default the whole table.

        Returns:
            The records now in force; None for a partition that did not exist then.

        Raises:
            PipelineError: There is no such snapshot or table, or it cannot be read or written.
        """
        with one_line_errors(f"restore {table}"):
            iceberg = self.load(table)
            if iceberg is None or iceberg.snapshot_by_id(snapshot_id) is None:
                raise PipelineError(f"{table} has no snapshot {snapshot_id}; see: history {table}")
            present, past = current_records(iceberg), records_at(iceberg, snapshot_id)
            chosen = sorted(present.keys() | past.keys()) if keys is None else keys
            if unknown := set(chosen) - present.keys() - past.keys():
                lost = ", ".join(sorted(unknown))
                raise PipelineError(f"{table} has no partition {lost}; see: history {table}")
            records = {key: pinned(past.get(key), present.get(key)) for key in chosen}
            files = [file.file_path for file in data_files(iceberg, table, chosen, snapshot_id)]
            self._commit(table, files, records)
            return records

    def load(self, table: Readable) -> Table | None:
        """The Iceberg table as it is now; None where nothing was ever published.

        Raises:
            PipelineError: See :func:`.agreement.load`.
        """
        return load(self.access, table)

    def require_newest(self, tables: Iterable[Readable]) -> None:
        """Make sure that readers would see what was published last.

        Raises:
            PipelineError: The catalog does not know a table that storage holds, or knows an older
                state of it.
        """
        for table in tables:
            with one_line_errors(f"read {table}"):
                self.load_to_commit(table)

    def load_to_commit(self, table: Readable) -> Table | None:
        """The same for a commit, which an old catalog would let undo what was published since.

        Raises:
            PipelineError: As :meth:`load`, or storage holds newer commits than the catalog knows.
        """
        return load_to_commit(self.access, table)

    def begin_commit(self, table: LakeTable) -> Table:
        """The table to build a commit on, created or put in order first where that is needed.

        Raises:
            PipelineError: As :meth:`load_to_commit`.
        """
        iceberg = self.load_to_commit(table)
        if iceberg is None:
            return self.create(table)
        tidy(iceberg)
        return iceberg

    @beside_others
    def _commit(
        self,
        table: LakeTable,
        files: Sequence[str],
        records: Mapping[str, PartitionRecord | None],
    ) -> int:
        iceberg = self.begin_commit(table)
        follow(iceberg, table)
        # Read again at every try: the process that came first may have replaced the same files.
        replaced = list(data_files(iceberg, table, list(records)))
        # Files and records change in one commit, so no reader sees the one without the other.
        replace_files(iceberg, table, replaced, files, records)
        return int(iceberg.metadata.current_snapshot_id or 0)

    def create(self, table: LakeTable) -> Table:
        """A table in which nothing was published yet."""
        return create_table(self.access, table, _schema(table))


def _schema(table: LakeTable) -> "Schema":
    # Only writing needs Ibis, which declares the types.
    from pipeline_assets.iceberg.schema import iceberg_schema

    return iceberg_schema(table.contract)
