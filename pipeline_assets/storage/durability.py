"""Local files that outlive a power cut.

A file that was written and closed may still be in the machine's memory only. A commit names files,
so they are brought to the disk before it.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

_AT_ONCE: Final = 8
"""The file system writes what is asked for at the same time in one go."""


def persist_files(paths: Iterable[str]) -> None:
    """Bring files, and the names of files in their folders, to the disk.

    Raises:
        OSError: A file is missing, or the disk refuses.
    """
    files = [Path(path) for path in paths]
    # A new folder is itself a name in another one.
    folders = {folder for file in files for folder in (file.parent, file.parent.parent)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(_persist, files))
        list(pool.map(_persist, folders))


def _persist(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
