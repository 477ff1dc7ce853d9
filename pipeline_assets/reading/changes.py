"""Whether a catalog has changed since somebody looked, without asking it for its tables.

What was opened of a table is used again as long as this mark stays the same. A SQLite file is asked
for its own count of changes, which takes microseconds and is exact. Other catalogs can only be
asked for the tables themselves, so for them the mark is the time, in steps that the reader chooses.
"""

import os
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

Mark = tuple[object, ...]


class SqliteChanges:
    """The changes of a SQLite file, by any process."""

    def __init__(self, path: Path) -> None:
        """Look at a file; nothing is opened before somebody asks."""
        self._path = str(path.absolute())
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._lock = threading.Lock()
        self._opened: tuple[tuple[int, int], sqlite3.Connection] | None = None
        self._times = 0

    def mark(self) -> Mark | None:
        """Differs from the one before if the file was changed or replaced.

        None if the file cannot say: it is gone, damaged, or locked by somebody who changes it at
        this moment. Whoever then reads the catalog waits, or is told what is wrong.
        """
        try:
            found = os.stat(self._path)
            with self._lock:
                connection = self._connection((found.st_dev, found.st_ino))
                (version,) = connection.execute("PRAGMA data_version").fetchone()
                return self._times, version
        except (OSError, sqlite3.Error):
            return None

    def _connection(self, identity: tuple[int, int]) -> sqlite3.Connection:
        if self._opened is None or self._opened[0] != identity:
            self.close()
            # SQLite counts the changes of others only, and this connection makes none. It waits
            # for no lock: a server asks from the loop that all its requests share.
            connection = sqlite3.connect(self._uri, timeout=0, uri=True, check_same_thread=False)
            self._opened = identity, connection
            self._times += 1
        return self._opened[1]

    def close(self) -> None:
        """Close the file."""
        if self._opened:
            self._opened[1].close()
            self._opened = None


@dataclass(frozen=True)
class PassingTime:
    """Changes that nobody can ask for: whatever is older than some seconds may have changed.

    Attributes:
        seconds: How old; 0 for a reader who wants what is newest.
    """

    seconds: float = 0.0
    _start: float = field(default_factory=time.monotonic)

    def mark(self) -> Mark | None:
        """Differs from the one before once the time is over; None if nothing may be older."""
        if not self.seconds:
            return None
        return (int((time.monotonic() - self._start) / self.seconds),)

    def close(self) -> None:
        """There is nothing to close."""
