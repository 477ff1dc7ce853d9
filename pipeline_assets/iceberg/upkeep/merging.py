"""Merging manifests, so that a table has few of them and planning one partition reads few.

Every publish adds a manifest. Sixteen of one size are merged into one that is sixteen times as
large, in the order of the partitions, and what has 256 files stays as it is. A manifest lists the
least and the greatest partition of its files, so that readers skip most of those of a table that
grows day by day. Manifests of files that earlier snapshots have dropped are left out.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _OverwriteFiles

TOGETHER: Final = 16
MOST_FILES: Final = TOGETHER**2
"""In one manifest; who replaces one of its partitions writes the others anew."""


class MergingOverwrite(_OverwriteFiles):
    """pyiceberg's overwrite of files, which merges the manifests of earlier snapshots."""

    @classmethod
    def begin(
        cls, transaction: Transaction, io: FileIO, summary: dict[str, str]
    ) -> "MergingOverwrite":
        """An overwrite in a transaction; ``summary`` is what its snapshot says besides."""
        is_first = transaction.table_metadata.current_snapshot() is None
        operation = Operation.APPEND if is_first else Operation.OVERWRITE
        return cls(operation, transaction, io, snapshot_properties=summary)

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        """Called by pyiceberg with those of the new snapshot, before it lists them."""
        found: list[ManifestFile] = []
        by_size: dict[tuple[int, int], list[ManifestFile]] = defaultdict(list)
        for manifest in manifests:
            if self._is_to_stay(manifest):
                found.append(manifest)
            elif size := _files(manifest):
                by_size[manifest.partition_spec_id, _level(size)].append(manifest)
        for (spec_id, level), equal in by_size.items():
            is_due = len(equal) >= TOGETHER or level == _TOO_LARGE
            found += self._merged(spec_id, equal) if is_due else equal
        return found

    def _is_to_stay(self, manifest: ManifestFile) -> bool:
        is_new = manifest.added_snapshot_id == self.snapshot_id
        is_full = _level(_files(manifest)) == _FULL
        return is_new or is_full or manifest.content != ManifestContent.DATA

    def _merged(self, spec_id: int, manifests: Sequence[ManifestFile]) -> Iterator[ManifestFile]:
        entries = [it for each in manifests for it in self.fetch_manifest_entry(each)]
        entries.sort(key=_partition)
        for first in range(0, len(entries), MOST_FILES):
            with self.new_manifest_writer(self.spec(spec_id)) as writer:
                for entry in entries[first : first + MOST_FILES]:
                    writer.add_entry(_existing(entry))
            yield writer.to_manifest_file()


_FULL: Final = 2
_TOO_LARGE: Final = 3


def _files(manifest: ManifestFile) -> int:
    return (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)


def _level(files: int) -> int:
    """0 for up to 15 files, 1 up to 255, then full, and above twice that too large."""
    if files > 2 * MOST_FILES:
        return _TOO_LARGE
    return (files >= TOGETHER) + (files >= MOST_FILES)


def _partition(entry: ManifestEntry) -> list[tuple[bool, Any]]:
    values = entry.data_file.partition
    return [(values[at] is not None, values[at]) for at in range(len(values))]


def _existing(entry: ManifestEntry) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=ManifestEntryStatus.EXISTING,
        snapshot_id=entry.snapshot_id,
        sequence_number=entry.sequence_number,
        file_sequence_number=entry.file_sequence_number,
        data_file=entry.data_file,
    )
