"""Length and checksum of every file of a publish.

They are computed from the bytes as they were written, before the commit, and stored in one small
file per attempt, ``data/{attempt}/_checksums.json``, beside the files that it describes. So neither
the table's properties nor its snapshots grow with them, a file's checksum is found by the file's
own path, and both go together.

The checksum is CRC-32 as in gzip: it notices every flipped bit and every burst of up to 32 bits,
isal computes 9 GB of it a second, and Spark has it as a function of SQL, so that nobody needs to
download what a cluster wrote.
"""

from contextlib import closing
from dataclasses import dataclass
from typing import Final

from isal import isal_zlib

from pipeline_assets.dataset.values.objects import ObjectStore

CHECKSUMS: Final = "_checksums.json"
"""Spark and Hive ignore files whose names begin with an underscore."""
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """Of a file's bytes: their number, and their CRC-32 in eight hex digits."""

    bytes: int
    crc32: str


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
