"""Length and checksum of every file of a publish.

They are computed from the bytes as they were written, before the commit, and stored in one small
file per attempt, ``data/{attempt}/_checksums.json``, beside the files that it describes. So neither
the table's properties nor its snapshots grow with them, a file's checksum is found by the file's
own path, and both go together.

The checksum is CRC-32 as in gzip: it notices every flipped bit and every burst of up to 32 bits,
and isal, which inflates our archives anyway, computes 9 GB of it a second.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass
from typing import Final

from isal import isal_zlib

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.environments import shared_location

CHECKSUMS: Final = "_checksums.json"
"""Spark and Hive ignore files whose names begin with an underscore."""
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """Of a file's bytes: their number, and their CRC-32 in eight hex digits."""

    size: int
    crc32: str

    @classmethod
    def of(cls, data: bytes) -> "Checksum":
        """Of bytes in memory."""
        return cls(len(data), f"{isal_zlib.crc32(data):08x}")


def checksum_of(store: ObjectStore, uri: str) -> Checksum:
    """Read a file once.

    Raises:
        PipelineError: It cannot be read.
    """
    size, crc = 0, 0
    with closing(store.open(uri)) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(chunk)
            crc = isal_zlib.crc32(chunk, crc)
    return Checksum(size, f"{crc:08x}")


def folder_of(location: str, uri: str) -> str:
    """The folder of the attempt that wrote a file, below a table's location.

    A clone's file lies below the location of the table that it was cloned from until it is
    replaced.
    """
    home = location if uri.startswith(f"{location}/") else shared_location(location)
    attempt = uri.removeprefix(f"{home}/data/").partition("/")[0]
    return f"{home}/data/{attempt}"


def seal(
    store: ObjectStore, location: str, files: Iterable[str], known: Mapping[str, Checksum]
) -> None:
    """Record the checksums of new files, and bring files and checksums to the disk.

    Args:
        store: Where the files lie.
        location: Of their table.
        files: Those to be committed; each is read once unless its checksum is known.
        known: Checksums of files of the attempts, computed by whoever wrote them.

    Raises:
        PipelineError: A file cannot be read, or the storage not be written.
    """
    found = dict(known) | {uri: checksum_of(store, uri) for uri in files if uri not in known}
    for folder in {folder_of(location, uri) for uri in found}:
        own = {uri: it for uri, it in found.items() if uri.startswith(f"{folder}/")}
        sums = {uri.removeprefix(f"{folder}/"): astuple(it) for uri, it in own.items()}
        store.put(f"{folder}/{CHECKSUMS}", json.dumps({"crc32": sums}).encode())
        store.persist([*own, f"{folder}/{CHECKSUMS}"])


def read_checksums(store: ObjectStore, folder: str) -> dict[str, Checksum]:
    """The checksums that an attempt has recorded, by URI.

    Raises:
        PipelineError: There are none, or they cannot be read.
    """
    uri = f"{folder}/{CHECKSUMS}"
    with closing(store.open(uri)) as stream:
        text = stream.read()
    try:
        sums = json.loads(text)["crc32"]
        return {f"{folder}/{path}": Checksum(size, crc) for path, (size, crc) in sums.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PipelineError(f"{uri} is damaged") from error
