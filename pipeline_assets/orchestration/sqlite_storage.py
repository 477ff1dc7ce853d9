"""Dagster's SQLite storage with connections that stay open; Dagster imports it where it is chosen.

Dagster's own opens a database anew for each of the eighty events of a run of two assets, and waits
for the disk after each of them: that was a third of what such a run costs. It also has Alembic load
all migrations that there ever were whenever it looks at a database for the first time, and creates
the one of a run table by table: a tenth.
"""

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    Pool,
    StaticPool,
    create_engine,
    event,
    inspect,
    text,
)

from pipeline_assets.dagster_internals import (
    INDEX_SHARD_NAME,
    ConfigurableClassData,
    DagsterSqliteStorage,
    EventLogEntry,
    SqliteEventLogStorage,
    SqliteRunStorage,
    SqliteScheduleStorage,
)

OPEN_DATABASES: Final = 4
"""Each run has a database of its own, and whoever runs or watches one also needs the index."""
_WAIT_SECONDS: Final = 60
_MARK: Final = "alembic_version"
"""The table in which Alembic notes what it has done."""


class SqliteStorage(DagsterSqliteStorage):
    """Runs, events and cursors in SQLite files below the Dagster home, as Dagster lays them out."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the files, which are created in a new home.

        Args:
            base_dir: The Dagster home.
            inst_data: How Dagster chooses this class.
        """
        home = Path(base_dir)
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = KnownRuns.from_local(str(home / "history"))
        self._event_log_storage = OpenEventLog(str(home / "history" / "runs"))
        self._schedule_storage = KnownSchedules.from_local(str(home / "schedules"))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SqliteStorage":
        """As Dagster's own."""
        return cls.from_local(config_value["base_dir"], inst_data)


class KnownRuns(SqliteRunStorage):
    """Runs, in a database whose migrations are looked through only when it is created."""

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        """Open the database, which is created in a new home.

        Args:
            base_dir: Where it lies.
            inst_data: How Dagster chooses this class.
        """
        url = _url(base_dir, "runs")
        # The table is younger than Alembic's mark in a home of years ago.
        if _is_marked(_open(url, NullPool), "instance_info"):
            return cls(url, inst_data)
        return super().from_local(base_dir, inst_data)


class KnownSchedules(SqliteScheduleStorage):
    """Schedules and sensors, the same."""

    @classmethod
    def from_local(
        cls, base_dir: str, inst_data: ConfigurableClassData | None = None
    ) -> SqliteScheduleStorage:
        """See :meth:`KnownRuns.from_local`."""
        url = _url(base_dir, "schedules")
        if _is_marked(_open(url, NullPool)):
            return cls(url, inst_data)
        return super().from_local(base_dir, inst_data)


@dataclass(frozen=True)
class _Opened:
    """A connection, and the file and process that it belongs to."""

    engine: Engine
    identity: tuple[int, ...]


class OpenEventLog(SqliteEventLogStorage):
    """Events, whose databases stay open while they are those that were used last."""

    def __init__(self, base_dir: str) -> None:
        """Open the index, which is created in a new home.

        Args:
            base_dir: Where the databases lie.
        """
        self._opened: dict[str, _Opened] = {}
        self._tables: set[tuple[tuple[int, ...], str]] = set()
        self._creation: tuple[str, ...] = ()
        super().__init__(base_dir)
        _close_before_forks(self)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._initialized_dbs:
                self._initdb(_open(self.conn_string_for_shard(shard), NullPool))
                self._initialized_dbs.add(shard)
            engine = self._engine(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        """Create the tables, unless Dagster has marked the database as one that has them."""
        if _is_marked(engine):
            return
        if for_index_shard:
            super()._initdb(engine, for_index_shard)
        else:
            _execute_in_new(engine, self._statements())
            # Who was interrupted before us, or is an old version of Dagster, has left some tables.
            if not _is_marked(engine):
                super()._initdb(engine)

    def _statements(self) -> Sequence[str]:
        """What makes the database of a run of an empty one, as Dagster and Alembic would."""
        if not self._creation:
            engine = create_engine("sqlite://", poolclass=StaticPool)
            super()._initdb(engine)
            with engine.connect() as connection:
                self._creation = tuple(_statements_of(connection))
            engine.dispose()
        return self._creation

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; once there, it stays.

        Args:
            table_name: Its name.
        """
        known = _identity(self.path_for_shard(INDEX_SHARD_NAME)), table_name
        # Dagster also asks within a transaction, which holds the lock of the open connection.
        if known not in self._tables and super().has_table(table_name):
            self._tables.add(known)
        return known in self._tables

    def _engine(self, shard: str) -> Engine:
        """That of a database, which is last in the order of use from now on."""
        identity = _identity(self.path_for_shard(shard))
        opened = self._opened.pop(shard, None)
        # Of a file that was deleted the connection is nobody's.
        if opened is None or opened.identity != identity:
            engine = _open(self.conn_string_for_shard(shard), StaticPool)
            opened = _Opened(engine, identity)
        self._opened[shard] = opened
        # The one used longest ago comes first.
        while len(self._opened) > OPEN_DATABASES:
            self._opened.pop(next(iter(self._opened))).engine.dispose()
        return opened.engine

    def store_event(self, event: EventLogEntry) -> None:
        """Store it, and wake up whoever watches the run: the UI waits for a change of the file.

        Args:
            event: What has happened.
        """
        super().store_event(event)
        # What is written ahead of a file that stays open changes the file itself much later.
        os.utime(self.path_for_shard(event.run_id))

    def dispose(self) -> None:
        """Close all databases."""
        with self._db_lock:
            self._close()
        super().dispose()

    def _close(self) -> None:
        while self._opened:
            self._opened.popitem()[1].engine.dispose()

    def _pause(self) -> None:
        """Close all databases, and open none before :meth:`_go_on`."""
        self._db_lock.acquire()
        self._close()

    def _go_on(self) -> None:
        """Open databases again, in this process or in one that was just forked from it."""
        self._db_lock.release()


def _close_before_forks(log: OpenEventLog) -> None:
    """See to it that no process inherits a database that is open, which SQLite cannot bear.

    The inherited locks would be those of another process, and nobody would know.
    """
    known = weakref.ref(log)
    paused: list[OpenEventLog] = []

    def pause() -> None:
        if found := known():
            found._pause()
            paused.append(found)

    def go_on() -> None:
        while paused:
            paused.pop()._go_on()

    os.register_at_fork(before=pause, after_in_parent=go_on, after_in_child=go_on)


def _open(url: str, pool: type[Pool]) -> Engine:
    # One connection may be for all threads: whoever uses it holds the lock of the event log.
    options = {"timeout": _WAIT_SECONDS, "check_same_thread": False}
    engine = create_engine(url, poolclass=pool, connect_args=options)
    event.listen(engine, "connect", _relax)
    return engine


def _url(folder: str, name: str) -> str:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{Path(folder).absolute() / name}.db"


def _is_marked(engine: Engine, *others: str) -> bool:
    """Whether Alembic has noted in a database which revision of Dagster's tables it has.

    Args:
        engine: Opens it.
        others: Further tables that it has to have.
    """
    with engine.connect() as connection:
        if not {_MARK, *others}.issubset(inspect(connection).get_table_names()):
            return False
        return connection.scalar(text(f"SELECT version_num FROM {_MARK}")) is not None  # noqa: S608


def _statements_of(connection: Connection) -> Iterator[str]:
    """The statements that make a database like this one, which only Alembic's mark has rows in."""
    names = "sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    yield from connection.scalars(text(f"SELECT sql FROM sqlite_master WHERE {names}"))  # noqa: S608
    for revision in connection.scalars(text(f"SELECT version_num FROM {_MARK}")):  # noqa: S608
        yield f"INSERT INTO {_MARK} VALUES ('{revision}')"  # noqa: S608 - Dagster's own


def _execute_in_new(engine: Engine, statements: Iterable[str]) -> None:
    """Execute statements in one transaction, unless the database has a table already."""
    with engine.connect() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
        # Whoever else creates the same database waits here, and then finds it created.
        connection.execute(text("BEGIN IMMEDIATE"))
        if connection.scalar(text("SELECT count(*) FROM sqlite_master")) == 0:
            for statement in statements:
                connection.execute(text(statement))
        connection.commit()


def _relax(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3's, or its double
    """Wait for the disk at checkpoints, and not after each event.

    A power cut may take the last events of a run, whose process it has ended as well. The database
    stays whole, and what is published is told by the lake.
    """
    connection.execute("PRAGMA synchronous=NORMAL")


def _identity(path: str) -> tuple[int, ...]:
    """Of the process and of the file at a path, as far as there is one."""
    found = os.stat(path) if os.path.exists(path) else None
    return (os.getpid(), found.st_dev, found.st_ino) if found else (os.getpid(),)
