"""Open a lake from Python: its tables, now or as they were, as Ibis, Arrow, Polars or pandas.

All that is read comes from the catalog and the storage. So no code of the domains is imported, and
a lake can be read by whoever has its files.
"""

import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.table import Table

from pipeline_assets.dataset.values.table import TableName
from pipeline_assets.dataset.values.texts import did_you_mean
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.errors import PipelineError, UnknownNameError
from pipeline_assets.iceberg.agreement import load
from pipeline_assets.iceberg.catalog import (
    CatalogAccess,
    one_line_errors,
    sqlite_path,
    sqlite_uri,
)
from pipeline_assets.iceberg.catalogs.sqlite_catalog import reader_of
from pipeline_assets.iceberg.history import records_at
from pipeline_assets.iceberg.moment import Moment
from pipeline_assets.iceberg.past import Version
from pipeline_assets.reading.changes import Mark, PassingTime, SqliteChanges
from pipeline_assets.reading.published_table import PublishedTable
from pipeline_assets.settings import Settings
from pipeline_assets.storage.environments import lake_of
from pipeline_assets.storage.s3_access import S3_SCHEME

if TYPE_CHECKING:
    import duckdb
    from ibis.backends.duckdb import Backend


class UnknownTableError(UnknownNameError):
    """There is no table of a name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """Say so.

        Args:
            name: What somebody asked for.
            known: The tables that he may be told of.
        """
        super().__init__(f"There is no table {name} in this lake; {did_you_mean(name, known)}")


@dataclass(frozen=True)
class _Opened:
    """What was read of a table while the catalog had a mark, and its snapshots by their ids."""

    mark: Mark | None
    iceberg: Table
    newest: int | None
    tables: dict[int, PublishedTable]


@dataclass(frozen=True)
class OpenLake:
    """The published tables of a lake, to read.

    Use it as a context manager, or leave it to the end of the process: what it holds is one DuckDB
    connection in memory, which opens with the first rows that somebody asks for.

    Attributes:
        access: The catalog.
        engine: The limits of memory and threads.
        seconds: How old what is read may be where a catalog cannot say whether it has changed; a
            SQLite file can, so that what is read of it is always the newest.
    """

    access: CatalogAccess
    engine: EmbeddedEngine
    seconds: float = 0.0
    _opened: "dict[str, _Opened]" = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )
    _resources: ExitStack = field(default_factory=ExitStack, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, self._resources.close)

    def __enter__(self) -> "OpenLake":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; tables that were read from it cannot be read any more."""
        self._resources.close()

    def __getitem__(self, name: str) -> PublishedTable:
        """The table ``domain.name`` as it is now; see :meth:`table`."""
        return self.table(name)

    def tables(self) -> tuple[str, ...]:
        """The names of all tables, as ``domain.name``.

        Raises:
            PipelineError: The catalog cannot be read.
        """
        return tuple(sorted(map(str, Moment(self.access).published())))

    def table(
        self,
        name: str,
        *,
        partition: str | Sequence[str] | None = None,
        snapshot: int | None = None,
        as_of: datetime | str | None = None,
    ) -> PublishedTable:
        """One snapshot of a table. What is published later does not change it.

        Args:
            name: ``domain.name``.
            partition: Only this partition, or only these.
            snapshot: The id of a snapshot; see :meth:`PublishedTable.history`.
            as_of: What was published at this moment. A moment without a time zone is in UTC.

        Raises:
            PipelineError: There is no such table, partition or snapshot, or it cannot be read.
        """
        version = Version(snapshot, as_of)
        with one_line_errors(f"read {name}"):
            opened = self._open(name)
            found = version.of(opened.iceberg, name)
            whole = opened.tables.get(found.snapshot_id)
            if whole is None:
                records = records_at(opened.iceberg, found.snapshot_id)
                whole = PublishedTable(self, name, opened.iceberg, found, records)
                opened.tables[found.snapshot_id] = whole
        if partition is None:
            return whole
        keys = _keys(partition)
        _require_known(keys, whole.records, f"partition of {name}")
        records = {key: whole.records[key] for key in keys}
        return PublishedTable(self, name, whole.iceberg, whole.snapshot, records, keys)

    def mark(self) -> Mark | None:
        """Differs from the one before if something was published; None if nobody can say."""
        return self._changes.mark()

    def are_newest(self, snapshots: Mapping[str, int], mark: Mark | None) -> bool:
        """Whether nothing newer is published of these tables, as far as is known without reading.

        Args:
            snapshots: The snapshot of each table, by ``domain.name``.
            mark: What :meth:`mark` says at this moment.
        """
        if mark is None:
            return False
        opened = self._opened
        for name, snapshot in snapshots.items():
            known = opened.get(name)
            if known is None or known.mark != mark or known.newest != snapshot:
                return False
        return True

    @cached_property
    def connection(self) -> "duckdb.DuckDBPyConnection":
        """The DuckDB connection that reads the files; it holds nothing but views."""
        uses_s3 = self.access.warehouse.startswith(S3_SCHEME)
        return self._resources.enter_context(self.engine.connect(uses_s3=uses_s3))

    @cached_property
    def ibis(self) -> "Backend":
        """The Ibis backend of all tables of this lake, so that they can be joined."""
        import ibis

        return ibis.duckdb.from_connection(self.connection)

    def iceberg(self, name: str) -> Table:
        """The table as pyiceberg knows it, with all its snapshots.

        Raises:
            PipelineError: There is no such table, or its metadata cannot be read.
        """
        return self._open(name).iceberg

    @cached_property
    def _changes(self) -> SqliteChanges | PassingTime:
        path = sqlite_path(self.access.uri)
        changes = SqliteChanges(path) if path else PassingTime(self.seconds)
        self._resources.callback(changes.close)
        return changes

    def _unchanged(self, name: str) -> "_Opened | None":
        """What is open of a table, if the catalog has not changed since it was read."""
        opened = self._opened.get(name)
        is_newest = opened and opened.mark is not None and opened.mark == self._changes.mark()
        return opened if is_newest else None

    def _open(self, name: str) -> "_Opened":
        """What is opened of a table, as long as the catalog has not changed since."""
        if opened := self._unchanged(name):
            return opened
        with self._lock:  # of many who find it changed, one reads it
            mark = self._changes.mark()  # before the table is read: a change meanwhile is noticed
            opened = self._opened.get(name)
            if opened is None or mark is None or opened.mark != mark:
                opened = self._opened[name] = self._read(name, mark, opened)
            return opened

    def _read(self, name: str, mark: Mark | None, before: "_Opened | None") -> "_Opened":
        namespace, _, bare = name.partition(".")
        reader = reader_of(self.access)
        iceberg = load(self.access, TableName(namespace, bare), reader) if bare else None
        if iceberg is None:
            raise UnknownTableError(name, self.tables())
        # Another table may have changed: then what is open of this one is still the newest.
        if before and before.iceberg.metadata_location == iceberg.metadata_location:
            return replace(before, mark=mark)
        return _Opened(mark, iceberg, iceberg.metadata.current_snapshot_id, {})


def open_lake(uri: str | Path | None = None, *, catalog: str | None = None) -> OpenLake:
    """Open a lake to read it. Nothing is created or changed.

    >>> from pipeline_assets import open_lake
    >>> with open_lake("lake") as lake:  # doctest: +SKIP
    ...     lake["music.users"].to_polars()

    Args:
        uri: Folder or ``s3://`` prefix of the lake; by default that of the settings.
        catalog: ``glue`` or a SQLAlchemy URL; by default that of the settings for the lake of the
            settings, and the SQLite file in the folder for any other.

    Raises:
        PipelineError: There is no lake, or a setting is wrong.
    """
    settings = Settings.from_environment()
    lake_uri = settings.lake_uri if uri is None else _absolute(str(uri).rstrip("/"))
    own = settings.catalog_uri if lake_uri == settings.lake_uri else None
    access = CatalogAccess(catalog or own or _catalog_in(lake_uri), lake_uri, settings.s3)
    engine = EmbeddedEngine(
        settings.memory_limit_mib, settings.threads, settings.spill_dir, settings.s3
    )
    return OpenLake(access, engine)


def _absolute(uri: str) -> str:
    return uri if uri.startswith(S3_SCHEME) else str(Path(uri).absolute())


def _catalog_in(lake_uri: str) -> str:
    if lake_uri.startswith(S3_SCHEME):
        raise PipelineError(f"Name the catalog of {lake_uri}: open_lake(…, catalog='glue')")
    file = Path(lake_of(lake_uri)) / "catalog.db"
    if not file.is_file():
        raise PipelineError(f"There is no lake in {lake_uri}: it has no catalog.db")
    return sqlite_uri(file)


def _keys(partition: str | Sequence[str]) -> tuple[str, ...]:
    return (partition,) if isinstance(partition, str) else tuple(partition)


def _require_known(names: Iterable[str], known: Iterable[str], what: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            message = f"There is no {what} called {name!r}; {did_you_mean(name, known)}"
            raise UnknownNameError(message)
