"""Creating, comparing and deleting releases."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Final

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.table import LakeTable, Readable, TableState
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.checksums import folder_of, read_checksums
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.tags import tag, untag
from pipeline_assets.reading.release import (
    Release,
    ReleasedPartition,
    ReleasedTable,
    names_of_releases,
    read_release,
    tag_of,
    uri_of,
)
from pipeline_assets.releases.consistency import contradictions

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Releases:
    """The releases of a lake.

    Attributes:
        lake: The published tables.
        store: Where they lie.
    """

    lake: Lake
    store: ObjectStore

    @property
    def _home(self) -> str:
        return self.lake.access.warehouse

    def names(self) -> list[str]:
        """Of all releases.

        Raises:
            PipelineError: The lake cannot be read.
        """
        return names_of_releases(self.store, self._home)

    def read(self, name: str) -> Release:
        """One of them.

        Raises:
            PipelineError: There is none of this name, or its manifest cannot be read.
        """
        return read_release(self.store, self._home, name)

    def create(self, name: str, assets: Sequence[LakeAsset]) -> Release:
        """Give the present snapshots of some tables a name.

        First every table is tagged, then the manifest is written: where there is a manifest, all of
        it can be read. Tags that a killed attempt has left are those of the next one.

        Args:
            name: Lower-case letters, digits, dots, dashes and underscores.
            assets: Whose tables.

        Raises:
            PipelineError: The name is taken or cannot be one, a table was never published, or one
                was computed from other versions of tables than those beside it.
        """
        self._require_free(name)
        states = {asset.name: self.lake.read(asset.table) for asset in assets}
        _require_consistent(assets, states)
        tables = {
            str(asset.table): self._released(asset.table, states[asset.name]) for asset in assets
        }
        for asset in assets:
            tag(self.lake, asset.table, tag_of(name), tables[str(asset.table)].snapshot_id)
        release = Release(name, datetime.now(UTC).isoformat(timespec="seconds"), tables)
        self.store.put(uri_of(self._home, name), release.to_json())
        self.store.persist([uri_of(self._home, name)])
        return release

    def delete(self, name: str, tables: Iterable[Readable]) -> int:
        """Give up a release; once its snapshots have expired, `clean` removes their files.

        Also removes what an attempt that was killed has left.

        Args:
            name: Of the release.
            tables: All tables of the lake.

        Returns:
            How many tables it was a name of.

        Raises:
            PipelineError: There is nothing of this name, or the lake cannot be written.
        """
        was_there = name in self.names()
        if was_there:
            self.store.delete([uri_of(self._home, name)], below=self._home)
        removed = sum(untag(self.lake, table, tag_of(name)) for table in tables)
        if not removed and not was_there:
            self.read(name)  # says which there are
        return removed

    def _require_free(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise PipelineError(
                f"{name!r} is no name of a release: lower-case letters, digits, dots, dashes and "
                "underscores, at most 63"
            )
        if name in self.names():
            raise PipelineError(f"There is a release {name}; delete it first, or take another name")

    def _released(self, table: LakeTable, state: TableState) -> ReleasedTable:
        if state.snapshot_id is None:
            raise PipelineError(f"{table} was never published; run update first")
        partitions = {
            key: ReleasedPartition(it.version, it.code_version, it.rows, it.bytes, it.config)
            for key, it in sorted(state.records.items())
        }
        return ReleasedTable(state.snapshot_id, self._checksum(table, state), partitions)

    def _checksum(self, table: LakeTable, state: TableState) -> str:
        location = self.lake.location(table)
        folders = {folder_of(location, uri) for uri in state.files}
        known = {
            uri: found
            for folder in folders
            for uri, found in read_checksums(self.store, folder).items()
        }
        lines = [[uri.removeprefix(location), *astuple(known[uri])] for uri in sorted(state.files)]
        return hashlib.sha256(repr(lines).encode()).hexdigest()


def _require_consistent(assets: Sequence[LakeAsset], states: Mapping[str, TableState]) -> None:
    records = {name: state.records for name, state in states.items()}
    found = sorted(set(contradictions(assets, records)))
    if found:
        raise PipelineError(f"These tables do not belong together; run update: {'; '.join(found)}")


def differences(before: Release, after: Release) -> Iterator[str]:
    """What is different in another release, one line for each thing."""
    for name in sorted({*before.tables, *after.tables}):
        old, new = before.tables.get(name), after.tables.get(name)
        if old is None or new is None:
            yield f"{name}: only in {before.name if old else after.name}"
            continue
        for key in sorted({*old.partitions, *new.partitions}):
            place = f"{name}[{key}]" if key else name
            changed = _changes(old.partitions.get(key), new.partitions.get(key))
            if changed:
                yield f"{place}: {', '.join(changed)}"


def _changes(old: ReleasedPartition | None, new: ReleasedPartition | None) -> list[str]:
    if old is None or new is None:
        return ["no longer there" if old else "new"]
    if old.version == new.version:
        return []
    told = ["its code changed"] if old.code_version != new.code_version else []
    if old.config != new.config:
        told.append(f"its config changed from {dict(old.config or {})} to {dict(new.config or {})}")
    if old.rows != new.rows:
        told.append(f"{old.rows:,} rows became {new.rows:,}")
    return told or ["computed from other inputs"]
