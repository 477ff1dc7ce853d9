"""The files of a folder as objects, and what there is in a folder besides files."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline_assets.dataset.values.objects import OnFault, StoredObject
from pipeline_assets.errors import PipelineError


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
    """Size and modification time."""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"


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
