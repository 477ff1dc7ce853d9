"""Promotion: what an environment has changed becomes what production has published.

The files are copied into the folder of production's table, so that production never depends on an
environment, and `env drop` can remove all that is left of one. Then one commit takes each table
over. It is refused if anybody else has published the table since it was cloned. Tables are
committed one after the other, upstream first. Who was killed between two of them promotes again:
what is already there is left alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyiceberg.table import Table

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord
from pipeline_assets.environments.changes import PROMOTED_FROM, Change, changes, has_moved
from pipeline_assets.environments.environments import Environment
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import beside_others, one_line_errors
from pipeline_assets.iceberg.checksums import Checksum, folder_of, read_checksums, seal
from pipeline_assets.iceberg.commit import data_files, replace_files
from pipeline_assets.iceberg.evolution import follow
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.profiles.profiles import append_profiles, published_profiles

Records = Mapping[str, PartitionRecord | None]


@dataclass(frozen=True)
class Promoted:
    """A table that was promoted: its changed partitions, and the snapshot that holds them."""

    asset: LakeAsset
    records: Records
    snapshot_id: int


@dataclass(frozen=True)
class Promotion:
    """Promotes an environment.

    Attributes:
        production: The tables that it was cloned from.
        lake: Its own.
        environment: The environment.
    """

    production: Lake
    lake: Lake
    environment: Environment

    def promote(self, assets: Sequence[LakeAsset]) -> Iterator[Promoted]:
        """Promote what is changed of some assets.

        Raises:
            PipelineError: Production has moved: nothing, or nothing more, is promoted.
        """
        found = list(changes(self.production, self.lake, self.environment, assets))
        if moved := [str(it.asset.table) for it in found if it.is_moved]:
            raise _moved(", ".join(moved), self.environment.name)
        self._require_same_inputs(found)
        for change in found:
            with one_line_errors(f"promote {change.asset.table}"):
                yield self._promoted(change)

    def _require_same_inputs(self, found: Sequence[Change]) -> None:
        """Refuse what was computed from partitions that production has replaced meanwhile."""
        promoted = {change.asset.name: change.records for change in found}
        inputs = {spec.upstream: change for change in found for spec in change.asset.inputs}
        for name, change in inputs.items():
            namespace, _, table = name.partition("/")
            upstream = LakeTable(namespace, table, change.asset.table.contract)
            now = {**self.production.records(upstream), **promoted.get(name, {})}
            for key, record in self.lake.records(upstream).items():
                present = now.get(key)
                if present is None or present.version != record.version:
                    place = f"{upstream}[{key}]" if key else str(upstream)
                    raise _moved(f"{place}, which {change.asset.table} reads,", self._name)

    @property
    def _name(self) -> str:
        return self.environment.name

    def _promoted(self, change: Change) -> Promoted:
        table = change.asset.table
        files = self._files(table, [key for key, it in change.records.items() if it])
        uris = [
            *(uri for uri in files if not self._is_own(table, uri)),
            *self._copied(table, [uri for uri in files if self._is_own(table, uri)]),
        ]
        self._append_profiles(table, change.records)
        return Promoted(change.asset, change.records, self._commit(table, uris, change.records))

    @beside_others
    def _commit(self, table: LakeTable, files: Sequence[str], records: Records) -> int:
        iceberg = self.production.begin_commit(table)
        # Asked at every try: pyiceberg refuses a commit beside another one, and this one is over
        # as soon as somebody else has published the table.
        if has_moved(iceberg, self.environment.pinned.get(str(table)), self._name):
            raise _moved(str(table), self._name)
        follow(iceberg, table)
        replaced = list(data_files(iceberg, table, list(records)))
        replace_files(iceberg, table, replaced, files, records, {PROMOTED_FROM: self._name})
        return int(iceberg.metadata.current_snapshot_id or 0)

    def _files(self, table: LakeTable, keys: Sequence[str]) -> list[str]:
        iceberg: Table | None = self.lake.load(table)
        return [it.file_path for it in data_files(iceberg, table, keys)] if iceberg else []

    def _is_own(self, table: LakeTable, uri: str) -> bool:
        """Whether a file lies in the environment, and not in production already."""
        return uri.startswith(f"{self.lake.location(table)}/")

    def _copied(self, table: LakeTable, files: Sequence[str]) -> list[str]:
        """Copy files of the environment, with the raw text beside them and their checksums.

        They keep the names of their attempts, which no two attempts share. A copy that a killed
        promotion has left is written anew, because cleaning may have condemned it meanwhile.
        """
        store, home = self.production.access.store, self.lake.location(table)
        target = self.production.writing_location(table)
        sums: dict[str, Checksum] = {}
        for folder in sorted({folder_of(home, uri) for uri in files}):
            known = read_checksums(store, folder)
            for uri in (*(it for it in files if it.startswith(f"{folder}/")), *_raw(store, folder)):
                copy = f"{target}{uri.removeprefix(home)}"
                store.copy(uri, copy)
                sums[copy] = known[uri]
        seal(store, target, (), sums)
        return [f"{target}{uri.removeprefix(home)}" for uri in files]

    def _append_profiles(self, table: LakeTable, records: Records) -> None:
        """Profiles come first, as in every publish; see :mod:`pipeline_assets.publish`."""
        present = {key: it for key, it in records.items() if it}
        profiles = published_profiles(self.lake, table, present) if present else {}
        for run_id in sorted({it.run_id for it in present.values()}):
            of_run = {key: it for key, it in profiles.items() if present[key].run_id == run_id}
            append_profiles(self.production, table, of_run, run_id)


def _raw(store: ObjectStore, folder: str) -> Iterable[str]:
    return [item.uri for item in store.list(f"{folder}/raw")]


def _moved(what: str, name: str) -> PipelineError:
    return PipelineError(
        f"{what} was published in production since {name} was created: nothing of it is promoted; "
        f"drop {name}, create it again and build there what has changed"
    )
