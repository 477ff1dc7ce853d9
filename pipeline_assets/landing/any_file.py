"""Records of CSV, TSV, Parquet and JSON Lines files, all as text with an account of each record.

Whatever the format, a raw table has the same form, so the same expressions type its records and
reject what is broken: see :mod:`pipeline_assets.landing.typed_text`.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from pipeline_assets.dataset.values.objects import StoredObject
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.landing.delimited import RFC_4180, TSV, Columns
from pipeline_assets.landing.landed_records import as_rows, read_landed

if TYPE_CHECKING:
    import pyarrow as pa

FileFormat: TypeAlias = Literal["csv", "tsv", "parquet", "jsonl"]


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
    ) -> "Iterator[pa.RecordBatch]":
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
    ) -> "Iterator[pa.RecordBatch]":
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
        yield from self._structured(files, workspace)

    def _structured(
        self, files: tuple[StoredObject, ...], workspace: Workspace
    ) -> "Iterator[pa.RecordBatch]":
        from pipeline_assets.landing.structured_files import numbered, read_json, read_parquet

        store = workspace.landing or workspace.store
        for file in files:
            read = read_parquet if self.format == "parquet" else read_json
            with closing(store.open(file.uri, file.etag)) as stream:
                found = read(file, stream, self.fields, workspace.landing_expansion)
                yield from numbered(file.uri, found)
            workspace.progress.advance(file.uri, file.size, file.size)
