"""Files that hold the records of partitions, in the folder of the table's metadata.

A snapshot's summary names the files whose records, read in order, are those in force: the last file
holds what the snapshot itself has published. Files never change, and later snapshots name most of
them too. As soon as four files are of one size, the next publish writes their records into one that
is four times as large. So a publish writes little however many partitions there are, a reader opens
few files, and the table's own metadata stays small.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import uuid4

from pyiceberg.io import FileIO
from pyiceberg.table import Table

from pipeline_assets.dataset.values.table import PartitionRecord
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.durability import persist_files

Records: TypeAlias = Mapping[str, PartitionRecord | None]
"""Record by partition key; None for a partition that was removed."""

SUFFIX: Final = ".records"
"""Not `.gz`, although it is: Arrow compresses what it writes under such a name once more."""
_MERGED: Final = 4
_OFTEN_EMPTY: Final = {"config", "override", "audit", "objects"}
_DAMAGED: Final = (OSError, EOFError, zlib.error, ValueError, TypeError)


@dataclass(frozen=True)
class RecordFile:
    """One file: two are the same if their URIs are, because files never change."""

    uri: str
    io: FileIO = field(compare=False, repr=False)


def uri_of(location: str, name: str) -> str:
    """Where the file of a name lies."""
    return f"{location}/metadata/{name}{SUFFIX}"


def names_in(listed: str) -> list[str]:
    """The names of files in a list such as ``fe12.3 ab34.0``, without their sizes."""
    return [each.partition(".")[0] for each in listed.split()]


def dumped(record: PartitionRecord | None) -> dict[str, Any] | None:
    """A record as JSON, without what most records do not have; null for a removed partition."""
    if record is None:
        return None
    return {name: it for name, it in asdict(record).items() if it or name not in _OFTEN_EMPTY}


def loaded(records: Mapping[str, Any]) -> dict[str, PartitionRecord | None]:
    """Records from JSON."""
    return {key: _record(it) if it else None for key, it in records.items()}


def _record(fields: Mapping[str, Any]) -> PartitionRecord:
    return PartitionRecord(**{**fields, "objects": tuple(fields.get("objects", ()))})


def read_json(file: RecordFile) -> dict[str, Any]:
    """The content of a file.

    Raises:
        PipelineError: It is damaged or missing.
    """
    try:
        with file.io.new_input(file.uri).open() as stream:
            content: dict[str, Any] = json.loads(gzip.decompress(stream.read()))
    except _DAMAGED as error:
        what = next(iter(str(error).splitlines()), type(error).__name__)
        raise PipelineError(f"{file.uri} is damaged or missing ({what})") from error
    return content


def is_whole(file: RecordFile) -> bool:
    """Whether a file can be read; gzip's own checksum notices damage."""
    try:
        loaded(read_json(file))
    except PipelineError:
        return False
    return True


@lru_cache(maxsize=256)
def records_of(file: RecordFile) -> Records:
    """The records in a file, which is read once.

    Raises:
        PipelineError: It is damaged or missing.
    """
    return loaded(read_json(file))


def read(io: FileIO, location: str, names: Iterable[str]) -> dict[str, PartitionRecord | None]:
    """The records in some files, of which later ones replace earlier ones.

    Raises:
        PipelineError: One of them is damaged or missing.
    """
    found: dict[str, PartitionRecord | None] = {}
    for name in names:
        found |= records_of(RecordFile(uri_of(location, name), io))
    return found


def write(iceberg: Table, content: Mapping[str, Any]) -> str:
    """Write a file, bring it to the disk, and return its name.

    Raises:
        OSError: It cannot be written.
    """
    name = uuid4().hex[:16]
    uri = uri_of(iceberg.location(), name)
    with iceberg.io.new_output(uri).create() as stream:
        stream.write(gzip.compress(json.dumps(content).encode(), mtime=0))
    if uri.startswith("/"):
        persist_files([uri])
    return name


def extended(iceberg: Table, listed: str, records: Records) -> str:
    """Write records into a file, together with those of files that have become too many.

    Args:
        iceberg: The table.
        listed: The files that held the records in force.
        records: Those that replace some of them.

    Returns:
        The list of the files that hold the records in force now.

    Raises:
        OSError: The file cannot be written.
        PipelineError: One that is to be merged is damaged or missing.
    """
    if not records:
        return listed
    kept, merged, level = listed.split(), list[str](), _level(records)
    while True:
        while kept and _level_in(kept[-1]) < level:
            merged.append(kept.pop())
        equal = [each for each in kept if _level_in(each) == level]
        if len(equal) < _MERGED - 1:
            break
        level += 1
    content = read(iceberg.io, iceberg.location(), names_in(" ".join(merged[::-1])))
    content |= records
    if not kept:  # nothing older is left in which a partition could be that was removed since
        content = {key: record for key, record in content.items() if record}
        level = _level(content)
    name = write(iceberg, {key: dumped(record) for key, record in content.items()})
    return " ".join([*kept, f"{name}.{level}"])


def _level(records: Records) -> int:
    """0 for up to three records, 1 for up to fifteen, and so on."""
    return max(len(records).bit_length() - 1, 0) // 2


def _level_in(listed: str) -> int:
    return int(listed.partition(".")[2])
