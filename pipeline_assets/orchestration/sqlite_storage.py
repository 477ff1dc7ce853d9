"""Dagster's SQLite storage with connections that stay open; Dagster imports it where it is chosen.

Dagster's own opens a database anew for each of the eighty events of a run of two assets, and waits
for the disk after each of them: that was a third of what such a run costs.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, NullPool, Pool, StaticPool, create_engine, event

from pipeline_assets.dagster_internals import (
    ConfigurableClassData,
    DagsterSqliteStorage,
    EventLogEntry,
    SqliteEventLogStorage,
)

OPEN_DATABASES: Final = 4
"""Each run has a database of its own, and whoever runs or watches one also needs the index."""
_WAIT_SECONDS: Final = 60


class SqliteStorage(DagsterSqliteStorage):
    """Runs, events and cursors in SQLite files below the Dagster home, as Dagster lays them out."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the files, which are created in a new home.

        Args:
            base_dir: The Dagster home.
            inst_data: How Dagster chooses this class.
        """
        super().__init__(base_dir, inst_data)
        self._event_log_storage = OpenEventLog(str(Path(base_dir) / "history" / "runs"))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SqliteStorage":
        """As Dagster's own."""
        return cls.from_local(config_value["base_dir"], inst_data)


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
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._initialized_dbs:
                self._initdb(_open(self.conn_string_for_shard(shard), NullPool))
                self._initialized_dbs.add(shard)
            engine = self._engine(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        """That of a database, which is last in the order of use from now on."""
        identity = _identity(self.path_for_shard(shard))
        opened = self._opened.pop(shard, None)
        # Of a file that was deleted, and after a fork, the connection is nobody's.
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
            while self._opened:
                self._opened.popitem()[1].engine.dispose()
        super().dispose()


def _open(url: str, pool: type[Pool]) -> Engine:
    # One connection may be for all threads: whoever uses it holds the lock of the event log.
    options = {"timeout": _WAIT_SECONDS, "check_same_thread": False}
    engine = create_engine(url, poolclass=pool, connect_args=options)
    event.listen(engine, "connect", _relax)
    return engine


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
