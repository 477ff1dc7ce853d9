"""Registering a table at another place than the one where it was written.

Iceberg's metadata names all files by absolute URIs. After a folder was renamed or a bucket copied,
the metadata at the new place still leads to the old one. A relocation writes new manifests and
manifest lists beside the old ones, with the new place in every URI. Data files are not touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from pyiceberg.io import FileIO
from pyiceberg.manifest import (
    DataFile,
    ManifestContent,
    ManifestEntry,
    ManifestFile,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.upkeep.manifests import manifest_entries, manifests_of

_COMPRESSION: Final = "deflate"


@dataclass(frozen=True)
class Relocation:
    """From where a table was written to where it lies now.

    Attributes:
        former: The location that its metadata names.
        location: Where it lies.
    """

    former: str
    location: str

    @property
    def is_needed(self) -> bool:
        """Whether these are two places."""
        return self.former != self.location

    def uri(self, former: str) -> str:
        """Where a file of the table lies now."""
        below = former.removeprefix(f"{self.former}/")
        return f"{self.location}/{below}" if below != former else former

    def metadata(self, written: TableMetadata) -> TableMetadata:
        """The same metadata for readers at the new place, where manifests still name the old."""
        snapshots = [
            it.model_copy(update={"manifest_list": self.uri(it.manifest_list)})
            for it in written.snapshots
        ]
        # Former metadata files and statistics lead to the old place as well.
        gone: dict[str, object] = {"metadata_log": [], "statistics": [], "partition_statistics": []}
        return written.model_copy(
            update={"location": self.location, "snapshots": snapshots, **gone}
        )

    def manifest(self, written: ManifestFile) -> ManifestFile:
        """The description of a manifest, found at the new place."""
        return ManifestFile(self.uri(written.manifest_path), *list(_fields(written))[1:])

    def entry(self, written: ManifestEntry) -> ManifestEntry:
        """A manifest's entry whose file is named at its new place."""
        status, snapshot_id, sequence, file_sequence, file = _fields(written)
        content, uri, *rest = _fields(file)
        moved = DataFile(content, self.uri(uri), *rest)
        return ManifestEntry(status, snapshot_id, sequence, file_sequence, moved)

    def rewrite(self, metadata: TableMetadata, io: FileIO) -> TableMetadata:
        """Write manifests and lists that name the new place, and return metadata that names them.

        Args:
            metadata: What :meth:`metadata` returned.
            io: Reads and writes the table's files.

        Raises:
            PipelineError: A manifest is damaged, or holds what only other programs write.
        """
        rewriter = _Rewriter(self, metadata, io, {})
        snapshots = [rewriter.snapshot(snapshot) for snapshot in metadata.snapshots]
        return metadata.model_copy(update={"snapshots": snapshots})


@dataclass(frozen=True)
class _Rewriter:
    relocation: Relocation
    table: TableMetadata
    io: FileIO
    done: dict[str, ManifestFile]

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        manifests = [
            self._manifest(manifest) for manifest in manifests_of([snapshot], self.io).values()
        ]
        name = f"snap-{snapshot.snapshot_id}-0-{uuid4()}.avro"
        uri = f"{self.relocation.location}/metadata/{name}"
        with write_manifest_list(
            self.table.format_version,
            self.io.new_output(uri),
            snapshot.snapshot_id,
            snapshot.parent_snapshot_id,
            snapshot.sequence_number,
            _COMPRESSION,
        ) as writer:
            writer.add_manifests(manifests)
        return snapshot.model_copy(update={"manifest_list": uri})

    def _manifest(self, former: ManifestFile) -> ManifestFile:
        """Snapshots share most manifests, and each one is written once."""
        if former.manifest_path not in self.done:
            self.done[former.manifest_path] = self._written(former)
        return self.done[former.manifest_path]

    def _written(self, former: ManifestFile) -> ManifestFile:
        if former.content != ManifestContent.DATA:
            raise PipelineError(
                f"{former.manifest_path} lists deleted rows; only Spark can move it"
            )
        output = self.io.new_output(f"{self.relocation.location}/metadata/{uuid4()}-m0.avro")
        with write_manifest(
            self.table.format_version,
            self.table.specs()[former.partition_spec_id],
            self.table.schema(),
            output,
            former.added_snapshot_id or 0,
            _COMPRESSION,
        ) as writer:
            for entry in manifest_entries(self.relocation.manifest(former), self.io, deleted=True):
                writer.add_entry(self.relocation.entry(entry))
        return ManifestFile(output.location, len(output), *list(_fields(former))[2:])


def _fields(
    record: ManifestFile | ManifestEntry | DataFile,
) -> Iterator[Any]:  # one type for each field
    return (record[place] for place in range(len(record)))
