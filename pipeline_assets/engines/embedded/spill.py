"""Folders for DuckDB's spill files, which a killed process does not leave behind for ever.

A killed process cannot delete its files, and they may fill the disk. So each process locks a file
in its folder, and the next process removes folders without a lock.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PREFIX: Final = "pipeline-spill-"
_LOCK: Final = "lock"
_FILES: Final = "files"


@contextmanager
def spill_folder(parent: Path | None) -> Iterator[Path]:
    """A new folder, removed afterwards; folders of killed processes are removed first.

    The operating system releases a lock when its process ends, however it ends.

    Args:
        parent: Where to create the folder; by default the system's temporary folder.

    Raises:
        OSError: The folder cannot be created.
    """
    root = Path(parent or tempfile.gettempdir())
    for left in root.glob(f"{_PREFIX}*"):
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(dir=root, prefix=_PREFIX) as folder,
        (Path(folder) / _LOCK).open("wb") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        files = Path(folder) / _FILES
        # Created after the lock: a folder without it is still being set up by another process.
        files.mkdir()
        yield files


def _is_abandoned(folder: Path) -> bool:
    """Whether a folder is complete, and so was locked once, and is locked no more.

    A folder of another user cannot be opened; it is that user's to remove.
    """
    try:
        if not (folder / _FILES).exists():
            return False
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
