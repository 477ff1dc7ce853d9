"""Creating, listing and dropping environments.

An environment exists if its manifest does, which is written last and removed first. What a killed
command has left is removed by `env drop`, and until then nothing of that name can be created. While
an environment exists, a tag of its name keeps each snapshot of production that it was cloned from.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.table import TableName
from pipeline_assets.environments.cloning import clone
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import is_lost_race, one_line_errors
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.tags import tag, untag
from pipeline_assets.storage.environments import FOLDER, NAME, environment_uri, lake_of

_MANIFESTS: Final = "_manifests"
_SUFFIX: Final = ".json"


def tag_of(name: str) -> str:
    """The tag that keeps snapshots of production for an environment."""
    return f"env-{name}"


@dataclass(frozen=True)
class Environment:
    """An environment.

    Attributes:
        name: Its name.
        created_at: When, ISO 8601 in UTC.
        pinned: The snapshot of production that each table was cloned from.
    """

    name: str
    created_at: str
    pinned: Mapping[str, int]


@dataclass(frozen=True)
class Environments:
    """The environments of a lake.

    Attributes:
        lake: The tables of production.
    """

    lake: Lake

    @classmethod
    def around(cls, lake: Lake) -> "Environments":
        """Those of the lake that an environment was cloned from."""
        warehouse = lake_of(lake.access.warehouse)
        return cls(Lake(replace(lake.access, warehouse=warehouse)))

    @cached_property
    def _store(self) -> ObjectStore:
        return self.lake.access.store

    def names(self) -> list[str]:
        """Of all environments.

        Raises:
            PipelineError: The lake cannot be read.
        """
        listed = self._store.list(f"{self.lake.access.warehouse}/{FOLDER}/{_MANIFESTS}")
        names = (item.uri.rpartition("/")[2] for item in listed)
        return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))

    def read(self, name: str) -> Environment:
        """One of them.

        Raises:
            PipelineError: There is none of this name, or its manifest cannot be read.
        """
        names = self.names()
        if name not in names:
            there = f"there are {', '.join(names)}" if names else "there are none yet"
            raise PipelineError(f"There is no environment {name}; {there}")
        uri = self._manifest(name)
        with closing(self._store.open(uri)) as stream:
            text = stream.read()
        try:
            return Environment(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise PipelineError(f"{uri} is damaged: pipeline-assets env drop {name}") from error

    def lake_in(self, name: str) -> Lake:
        """The tables of an environment."""
        return Lake(replace(self.lake.access, warehouse=self._home(name)))

    def create(self, name: str, left_out: Collection[str] = ()) -> Environment:
        """Clone the present snapshot of every table.

        Args:
            name: Of the environment.
            left_out: Tables that are not cloned, because an environment exports nothing.

        Raises:
            PipelineError: The name is taken or is none, or the lake cannot be read or written.
        """
        self._require_free(name)
        tables = [it for it in self.lake.published() if str(it) not in left_out]
        cloned = {str(table): self._cloned(name, table) for table in tables}
        pinned = {table: snapshot for table, snapshot in cloned.items() if snapshot is not None}
        made = Environment(name, datetime.now(UTC).isoformat(timespec="seconds"), pinned)
        content = {"name": name, "created_at": made.created_at, "pinned": pinned}
        self._store.put(self._manifest(name), json.dumps(content, indent=1).encode())
        self._store.persist([self._manifest(name)])
        return made

    def drop(self, name: str) -> int:
        """Remove an environment, or what a killed command has left of one.

        The tags go last: as long as a clone is there, so are the files of production it reads.

        Returns:
            How many tables it had.

        Raises:
            PipelineError: There is nothing of this name, or the lake cannot be written.
        """
        if not (NAME.fullmatch(name) and self._is_there(name)):
            self.read(name)  # says which there are
        self._store.delete([self._manifest(name)], below=self.lake.access.warehouse)
        with one_line_errors(f"drop the environment {name}"):
            dropped = sum(1 for _ in self._forgotten(name))
        files = [item.uri for item in self._store.list(self._home(name))]
        self._store.delete(files, below=self.lake.access.warehouse)
        for table in self.lake.published():
            untag(self.lake, table, tag_of(name))
        return dropped

    def _cloned(self, name: str, table: TableName) -> int | None:
        """Clone one table, and return its snapshot; None if nothing was ever published in it."""
        with one_line_errors(f"clone {table}"), _first_come(name):
            source = self.lake.load(table)
            snapshot = source.current_snapshot() if source else None
            if source is None or snapshot is None:
                return None
            # In this order: whoever creates the same name at once fails before he moves a tag.
            clone(source, snapshot, self.lake_in(name), table)
            tag(self.lake, table, tag_of(name), snapshot.snapshot_id)
            return snapshot.snapshot_id

    def _forgotten(self, name: str) -> Iterator[str]:
        """Have the catalog forget the tables of an environment; no file is removed."""
        access = self.lake_in(name).access
        catalog = access.open()
        for namespace in access.namespaces():
            for identifier in catalog.list_tables(namespace):
                catalog.drop_table(identifier)
                yield ".".join(identifier)
            catalog.drop_namespace(namespace)

    def _require_free(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise PipelineError(
                f"{name!r} is no name of an environment: small letters, digits, and single "
                "underscores between them, such as dev_x"
            )
        if name in self.names():
            raise PipelineError(f"There is an environment {name}; take another name, or drop it")
        if self._is_there(name):
            raise _half(name)

    def _is_there(self, name: str) -> bool:
        """Whether anything of an environment is there, be it whole or not."""
        access = self.lake_in(name).access
        with one_line_errors("read the catalog"):
            is_known = bool(access.namespaces()) or self._is_tagged(name)
        return is_known or any(True for _ in self._store.list(access.warehouse))

    def _is_tagged(self, name: str) -> bool:
        tables = map(self.lake.load, self.lake.published())
        return any(tag_of(name) in table.metadata.refs for table in tables if table)

    def _home(self, name: str) -> str:
        return environment_uri(self.lake.access.warehouse, name)

    def _manifest(self, name: str) -> str:
        return f"{self.lake.access.warehouse}/{FOLDER}/{_MANIFESTS}/{name}{_SUFFIX}"


@contextmanager
def _first_come(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Another one has created the same namespace or table a moment before.
        if not is_lost_race(error):
            raise
        raise _half(name) from error


def _half(name: str) -> PipelineError:
    return PipelineError(
        f"There is a part of an environment {name}, which somebody creates or drops right now, or "
        f"whose command was killed; if so: pipeline-assets env drop {name}"
    )
