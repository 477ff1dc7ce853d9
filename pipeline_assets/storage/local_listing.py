"""The files of a folder as objects, and what there is in a folder besides files."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline_assets.dataset.values.objects import OnFault, StoredObject
from pipeline_assets.errors import PipelineError

_WRITING_NS: Final = 100_000_000
"""By how much both times of a file may differ that was written, closed and renamed at once."""


def local_listing(prefix: str, after: str, on_fault: OnFault | None) -> Iterator[StoredObject]:
    """See :meth:`pipeline_assets.dataset.values.objects.ObjectStore.list`."""
    refused: list[OSError] = []
    paths = sorted(path for path in _paths(prefix, refused) if path > after)
    for error in refused:
        if on_fault is None:
            raise PipelineError(f"Cannot list {error.filename}: {error.strerror}") from error
        on_fault(str(error.filename), f"cannot be listed: {error.strerror}")
    for path in paths:
        fault, item = _described(path, prefix)
        if item and (not fault or on_fault is None):
            yield item
        elif fault and on_fault:
            on_fault(path, fault)


def local_etag(status: os.stat_result) -> str:
    """Size and modification time; of a file whose time was set, also when that happened.

    Programs such as ``rsync -t`` and ``cp -p`` give what they write the time of its original, so a
    corrected file may have the size and the time of the one it replaces. No program can set the
    time of the last change (ctime), which the system keeps. It is left out where it says nothing
    more: lakes know files that were simply written by size and modification time.
    """
    etag = f"{status.st_size:x}-{status.st_mtime_ns:x}"
    is_set = abs(status.st_ctime_ns - status.st_mtime_ns) > _WRITING_NS
    return f"{etag}-{status.st_ctime_ns:x}" if is_set else etag


def _paths(prefix: str, refused: list[OSError]) -> Iterator[str]:
    """All files, and links to folders, which are not followed."""

    def refuse_unless_gone(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            refused.append(error)

    for folder, folders, names in os.walk(prefix, onerror=refuse_unless_gone):
        yield from (os.path.join(folder, name) for name in names)
        linked = (os.path.join(folder, name) for name in folders)
        yield from (path for path in linked if Path(path).is_symlink())


def _described(path: str, prefix: str) -> tuple[str, StoredObject | None]:
    """What is wrong with a file, and the file; neither if it was deleted since it was listed."""
    try:
        status = os.lstat(path)
        fault = ""
        if stat.S_ISLNK(status.st_mode):
            status = os.stat(path)
            if not Path(path).resolve().is_relative_to(Path(prefix).resolve()):
                fault = f"is a link that leads out of {prefix}; deliver the file itself"
    except FileNotFoundError:
        # Of a link it is the target that is missing.
        return ("is a link to nothing" if Path(path).is_symlink() else ""), None
    except OSError as error:
        return f"cannot be looked at: {error.strerror}", None
    if not stat.S_ISREG(status.st_mode):
        fault = "is no file, but a pipe, a device, or a link to a folder; remove it"
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return fault, StoredObject(path, local_etag(status), status.st_size, modified)
