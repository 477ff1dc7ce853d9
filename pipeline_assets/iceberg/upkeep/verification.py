"""Whether everything that is published is there, and is what was written.

The quick verification compares a listing with the lengths that manifests and checksum files give.
The deep one reads every file and compares its checksum. Tables that were published before checksums
were recorded say so; their Parquet files are decoded instead, which finds most damage, not all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from pipeline_assets.dataset.values.damage import Damage
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.table import LakeTable, Readable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.iceberg.checksums import (
    CHECKSUMS,
    Checksum,
    checksum_of,
    folder_of,
    read_checksums,
)
from pipeline_assets.iceberg.history import current_records, damaged_uris
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.manifests import (
    entries_of,
    manifest_entries,
    manifests_of,
    recovery_told,
)
from pipeline_assets.storage.environments import shared_location
from pipeline_assets.storage.s3_access import is_in_s3_tables

_RAW = "part_uri"
"""A table with this column describes raw text that lies beside its files."""

_LOST = "is damaged or missing, and with it the records of partitions: pipeline-assets recover"


@dataclass(frozen=True)
class Verified:
    """What was found of one table.

    Attributes:
        table: The table.
        files: How many files were looked at.
        bytes: Their length as published.
        unsealed: How many of them have no checksum.
        damages: What is wrong.
    """

    table: LakeTable
    files: int = 0
    bytes: int = 0
    unsealed: int = 0
    damages: tuple[Damage, ...] = ()

    def __str__(self) -> str:
        without = f", {self.unsealed} of them without a checksum" if self.unsealed else ""
        return f"{self.table!s:<36} {self.files} files ({self.bytes:,} bytes){without}"


def verify(lake: Lake, table: LakeTable, *, deep: bool = False) -> Verified:
    """Verify what the present snapshot of a table holds.

    Args:
        lake: The published tables.
        table: One of them.
        deep: Read every file.

    Raises:
        PipelineError: Catalog, storage or the table's metadata cannot be read.
    """
    with one_line_errors(f"verify {table}"), recovery_told():
        iceberg = lake.load_to_commit(table)
        snapshot = iceberg.current_snapshot() if iceberg else None
        if iceberg is None or snapshot is None:
            return Verified(table)
        if damaged := list(damaged_uris(iceberg)):
            return Verified(table, damages=tuple(Damage(it, _LOST) for it in damaged))
        manifests = manifests_of([snapshot], iceberg.io).values()
        files = {it.data_file.file_path: it.data_file for it in entries_of(manifests, iceberg.io)}
        return _Verification(lake, table, iceberg, files, deep=deep).perform()


def require_manifests(lake: Lake, table: Readable) -> None:
    """Read the manifests of the present snapshot, which history and records do not need.

    Raises:
        PipelineError: One is damaged or missing; the message names it and what to run.
    """
    with one_line_errors(f"read {table}"), recovery_told():
        iceberg = lake.load(table)
        snapshot = iceberg.current_snapshot() if iceberg else None
        if iceberg and snapshot:
            for manifest in manifests_of([snapshot], iceberg.io).values():
                manifest_entries(manifest, iceberg.io)


def damaged_manifests(lake: Lake, tables: Iterable[Readable]) -> Iterator[str]:
    """One line for each table that nobody could read, although the catalog knows it."""
    for table in tables:
        try:
            require_manifests(lake, table)
        except PipelineError as error:
            said = str(error)
            yield said if str(table) in said else f"{table}: {said}"


@dataclass(frozen=True)
class _Verification:
    lake: Lake
    table: LakeTable
    iceberg: Table
    files: Mapping[str, DataFile]
    deep: bool

    def perform(self) -> Verified:
        damages = [
            *(damage for uri in self.files if (damage := self._file(uri))),
            *(damage for uri in self._raw_text if (damage := self._raw(uri))),
            *self._damaged_sums(),
        ]
        sizes = [file.file_size_in_bytes for file in self.files.values()]
        raw = [it.size for it in self._raw_text.values()]
        count, size = len(sizes) + len(raw), sum(sizes) + sum(raw)
        sealed = [uri for uri in self.files if folder_of(self._location, uri) in self._seals]
        return Verified(self.table, count, size, len(self.files) - len(sealed), tuple(damages))

    def _file(self, uri: str) -> Damage | None:
        expected = self.files[uri].file_size_in_bytes
        what = self._length(uri, expected)
        if what is None and self.deep:
            known = self._sums.get(uri)
            what = self._content(uri, known) if known else self._decoded(uri)
        return Damage(uri, what, self._keys_of([uri])) if what else None

    def _raw(self, uri: str) -> Damage | None:
        known = self._raw_text[uri]
        what = self._length(uri, known.size)
        if what is None and self.deep:
            what = self._content(uri, known)
        return Damage(uri, what, self._keys_beside(uri)) if what else None

    def _length(self, uri: str, expected: int) -> str | None:
        size = self._size(uri)
        if size is None:
            return "is missing"
        return None if size == expected else f"has {size:,} bytes, not {expected:,}"

    def _content(self, uri: str, known: Checksum) -> str | None:
        return (
            None if checksum_of(self._store, uri) == known else "is damaged: its checksum differs"
        )

    def _decoded(self, uri: str) -> str | None:
        """Read a file without a checksum, page by page."""
        import pyarrow.parquet as pq  # `history` asks for manifests only, and needs no Arrow

        try:
            with self.iceberg.io.new_input(uri).open() as stream:
                rows = sum(batch.num_rows for batch in pq.ParquetFile(stream).iter_batches())
        except Exception as error:  # whatever its bytes make of the decoder
            what = next(iter(str(error).splitlines()), type(error).__name__)
            return f"cannot be decoded ({what})"
        expected = self.files[uri].record_count
        return None if rows == expected else f"has {rows:,} rows, not {expected:,}"

    @property
    def _store(self) -> ObjectStore:
        return self.lake.access.store

    @property
    def _location(self) -> str:
        return self.lake.location(self.table)

    def _size(self, uri: str) -> int | None:
        """The length of a file as it lies there; None if it is missing."""
        if is_in_s3_tables(self._location):  # nothing is listed there, but each file can be asked
            file = self.iceberg.io.new_input(uri)
            return len(file) if file.exists() else None
        return self._sizes.get(uri)

    @cached_property
    def _sizes(self) -> dict[str, int]:
        homes = {self._location, shared_location(self._location)}
        return {it.uri: it.size for home in homes for it in self._store.list(f"{home}/data")}

    @cached_property
    def _seals(self) -> dict[str, dict[str, Checksum] | None]:
        """The checksums of each attempt that has recorded some; None where they are damaged."""
        folders = {folder_of(self._location, uri) for uri in self.files}
        sealed = sorted(it for it in folders if self._size(f"{it}/{CHECKSUMS}") is not None)
        return {folder: self._read(folder) for folder in sealed}

    def _read(self, folder: str) -> dict[str, Checksum] | None:
        try:
            return read_checksums(self._store, folder)
        except PipelineError:
            return None

    @cached_property
    def _sums(self) -> dict[str, Checksum]:
        return {uri: it for sums in self._seals.values() if sums for uri, it in sums.items()}

    @cached_property
    def _raw_text(self) -> dict[str, Checksum]:
        if _RAW not in self.table.contract.schema:
            return {}
        return {uri: it for uri, it in self._sums.items() if uri not in self.files}

    def _damaged_sums(self) -> Iterator[Damage]:
        if not self.deep:
            return
        for uri in (f"{it}/{CHECKSUMS}" for it, sums in self._seals.items() if sums is None):
            yield Damage(uri, "is damaged", self._keys_beside(uri))

    def _keys_beside(self, uri: str) -> tuple[str, ...]:
        """The partitions of the attempt that wrote a file."""
        folder = folder_of(self._location, uri)
        return self._keys_of(it for it in self.files if it.startswith(f"{folder}/"))

    def _keys_of(self, uris: Iterable[str]) -> tuple[str, ...]:
        records = current_records(self.iceberg)
        keys = {self._key(self.files[uri]) for uri in uris}
        return tuple(sorted(key for key in keys if key in records))

    def _key(self, file: DataFile) -> str:
        """The partition of a file as its record names it."""
        spec, schema = self.iceberg.spec(), self.iceberg.schema()
        if not spec.fields:
            return ""
        (column,) = spec.fields
        type_ = schema.find_type(column.source_id)
        return column.transform.to_human_string(type_, file.partition[0])
