"""The files of an UNLOAD: named by the query's manifest, counted by their footers."""

import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from pipeline_assets.engines.athena.statements import partition_folder
from spark_resources.errors import JobFailedError
from spark_resources.job import DataFile, Destination
from spark_resources.runners.polling import PollPolicy, Retries
from spark_resources.runners.staging import Staging, split

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

FOOTER_BYTES: Final = 1 << 16
"""Enough for most footers; a longer one takes a second request."""


@dataclass(frozen=True)
class Output:
    """Reads what UNLOADs have left.

    A listing of the prefix would also show what a failed statement has left there, and it may show
    a file before it is complete.

    Attributes:
        staging: Its client of S3 reads manifests and footers.
        poll: How long to wait for a manifest that is late.
    """

    staging: Staging
    poll: PollPolicy

    def files(
        self, manifests: Iterable[str], destination: Destination, retries: Retries
    ) -> tuple[DataFile, ...]:
        """The files with rows that manifests name.

        Raises:
            JobFailedError: A manifest is missing, or a file is not where it should be.
        """
        found = (
            _data_file(uri, destination, *retries(lambda uri=uri: self._footer(uri)))  # type: ignore[misc]
            for manifest in manifests
            for uri in self._named(manifest, destination, retries)
        )
        return tuple(sorted((it for it in found if it.rows), key=lambda it: it.uri))

    def _named(self, manifest: str, destination: Destination, retries: Retries) -> Iterator[str]:
        for uri in self._lines(manifest, retries):
            if not uri.startswith(f"{destination.uri}/"):
                raise JobFailedError(f"the manifest {manifest} names a file elsewhere: {uri}")
            yield uri

    def _lines(self, manifest: str, retries: Retries) -> list[str]:
        give_up = time.monotonic() + self.poll.log_seconds
        for pause in self.poll.pauses():
            content = retries(lambda: self.staging.read(manifest))
            if content is not None:
                return content.decode().splitlines()
            if time.monotonic() + pause > give_up:
                raise JobFailedError(f"the query succeeded but its manifest {manifest} is missing")
            time.sleep(pause)
        raise AssertionError("pauses have no end")

    def _footer(self, uri: str) -> "tuple[FileMetaData, int]":
        """What a file's footer says, and the file's size; nothing else of it is read."""
        from pyarrow.parquet import read_metadata  # noqa: PLC0415 - takes long to import

        tail, size = self._tail(uri, FOOTER_BYTES)
        needed = int.from_bytes(tail[-8:-4], "little") + 8
        if needed > len(tail):
            tail, size = self._tail(uri, needed)
        return read_metadata(io.BytesIO(tail)), size

    def _tail(self, uri: str, length: int) -> tuple[bytes, int]:
        bucket, key = split(uri)
        answer: Any = self.staging.s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=-{length}")
        return answer["Body"].read(), int(answer["ContentRange"].rpartition("/")[2])


def _data_file(uri: str, to: Destination, footer: "FileMetaData", size: int) -> DataFile:
    return DataFile(uri, footer.num_rows, size, _partition(uri, to))


def _partition(uri: str, to: Destination) -> str | None:
    """The partition of a file: the only one, or the one that its folder is named after."""
    if to.partition_column is None or to.is_one_partition:
        return next(iter(to.partition_keys), None)
    folder = uri.rpartition("/")[0].rpartition("/")[2]
    name, _, value = folder.partition("=")
    key = unquote(value)
    if name != partition_folder(to) or key not in to.partition_keys:
        raise JobFailedError(
            f"column {to.partition_column} must be one of {', '.join(to.partition_keys)}; "
            f"rows have another value, such as {key or folder}"
        )
    return key
