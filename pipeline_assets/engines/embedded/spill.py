"""Folders to spill to, which even a killed process doesn't leave behind for good."""

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
    """A fresh folder that is removed afterwards; those of killed processes are removed before.

    Each folder holds a locked file, and the system lets go of a lock when its process ends.

    Args:
        parent: Where it is made; the system's temporary folder where not given.

    Raises:
        OSError: It cannot be made.
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
        files.mkdir()
        yield files


def _is_abandoned(folder: Path) -> bool:
    """Whether it was locked once, which it was if it is complete, and is no longer.

    That of another account, which only that account may enter, is none of ours.
    """
    try:
        if not (folder / _FILES).exists():
            return False
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
