"""Puts sample files into a landing zone, where files of others may lie.

A file beside them remembers what was written, by checksum. So a sample of another scale or seed may
replace an earlier sample, and nothing else: neither a vendor's file nor a sample that somebody has
changed.
"""

import filecmp
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from pipeline_assets.errors import PipelineError

RECORD: Final = ".pipeline-samples.json"
"""No landing source matches this name, so that sensors and `update` do not see it."""

Checksums: TypeAlias = Mapping[str, list[str]]
"""What each file may hold, by its path in the landing zone."""


def place(fresh: Path, landing: Path) -> None:
    """Move files into a landing zone of the same disk, each whole, and none that would not change.

    Raises:
        PipelineError: One would overwrite a file that is not of an earlier sample; then no file is
            moved.
    """
    files = {str(file.relative_to(fresh)): file for file in sorted(fresh.rglob("*"))}
    files = {name: file for name, file in files.items() if file.is_file()}
    ours = _read(landing / RECORD)
    changed = {name: file for name, file in files.items() if not _is_there(file, landing / name)}
    for name in changed:
        _refuse_others(landing / name, ours.get(name, []))
    new = {name: _checksum(file) for name, file in files.items()}
    # Written before the files and after them: whenever this process is killed, each file that is
    # there is known to be a sample.
    either = {name: list(dict.fromkeys([*ours.get(name, []), new[name]])) for name in new}
    _write(landing, {**ours, **either})
    for name, file in changed.items():
        target = landing / name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
    _write(landing, {**ours, **{name: [checksum] for name, checksum in new.items()}})


def _is_there(file: Path, target: Path) -> bool:
    # A new modification time would look like an overwritten object to the landing sensors.
    return target.is_file() and filecmp.cmp(file, target, shallow=False)


def _refuse_others(target: Path, ours: list[str]) -> None:
    if not (target.exists() or target.is_symlink()):
        return
    if target.is_symlink() or not target.is_file() or _checksum(target) not in ours:
        raise PipelineError(
            f"{target} is no file of a sample, or somebody has changed it: move it away, or choose "
            "another landing zone (`sample --out`, PIPELINE_LANDING_URI)"
        )


def _read(record: Path) -> Checksums:
    if not record.exists():
        return {}
    try:
        return {str(name): list(found) for name, found in json.loads(record.read_bytes()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise PipelineError(f"{record} cannot be read ({error}): delete it") from error


def _write(landing: Path, checksums: Checksums) -> None:
    content = json.dumps(checksums, indent=0, sort_keys=True)
    record = landing / RECORD
    if record.exists() and record.read_text() == content:
        return
    written = record.with_suffix(".new")
    written.write_text(content)
    written.replace(record)


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
