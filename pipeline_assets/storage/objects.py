"""Object stores: a local folder and S3, with the methods of one protocol.

The protocol is :class:`pipeline_assets.dataset.objects.ObjectStore`. Both stores replace an object
in one step, so a reader sees the old object or the new one, and both raise a PipelineError of one
line.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, takewhile
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from uuid import uuid4

from pipeline_assets.dataset.values.objects import ObjectStore, OnFault, StoredObject
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.durability import persist_files
from pipeline_assets.storage.local_listing import local_etag, local_listing
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access, split_s3_uri
from pipeline_assets.storage.s3_reading import ResumingReader, overwritten, s3_errors

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

S3_BATCH: Final = 1000


@dataclass(frozen=True)
class LocalStore:
    """Objects as the files of a folder."""

    def require(self, root: str) -> None:
        """See :class:`ObjectStore`."""
        if not Path(root).is_dir():
            raise PipelineError(f"Folder {root} does not exist; create it or set its PIPELINE_ URI")

    def list(
        self, prefix: str, after: str = "", on_fault: OnFault | None = None
    ) -> Iterator[StoredObject]:
        """See :class:`ObjectStore`; the etag: :func:`local_etag`."""
        return local_listing(prefix, after, on_fault)

    def open(self, uri: str, etag: str | None = None) -> BinaryIO:
        """See :class:`ObjectStore`; a file that is replaced meanwhile is read to its old end."""
        stream = _opened(uri)
        if etag not in (None, local_etag(os.fstat(stream.fileno()))):
            stream.close()
            raise overwritten(uri)
        return stream

    def put(self, uri: str, data: bytes) -> None:
        """See :class:`ObjectStore`."""
        try:
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
            with _replacing(Path(uri)) as file:
                file.write(data)
        except OSError as error:
            raise PipelineError(f"Cannot write {uri}: {error.strerror}") from error

    def persist(self, uris: Iterable[str]) -> None:
        """See :class:`ObjectStore`."""
        try:
            persist_files(uris)
        except OSError as error:
            where = error.filename or "the disk"
            raise PipelineError(f"Cannot persist {where}: {error.strerror}") from error

    def move(self, source: str, target: str) -> None:
        """See :class:`ObjectStore`; both must lie in one file system. It removes empty folders."""
        self.persist([source])
        try:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            Path(source).replace(target)
            persist_files([target])
        except OSError as error:
            raise PipelineError(f"Cannot move {source} to {target}: {error.strerror}") from error
        # Nothing above the first folder that both share is empty: the target lies there.
        _remove_empty_parents(Path(source), Path("/"))

    def copy(self, source: str, target: str) -> None:
        """See :class:`ObjectStore`."""
        try:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            with _opened(source) as old, _replacing(Path(target)) as new:
                shutil.copyfileobj(old, new)
        except OSError as error:
            raise PipelineError(f"Cannot copy {source} to {target}: {error.strerror}") from error

    def delete(self, uris: Iterable[str], below: str | None = None) -> None:
        """See :class:`ObjectStore`; folders left empty below that folder are removed."""
        for uri in uris:
            path = Path(uri)
            path.unlink(missing_ok=True)
            if below is not None:
                _remove_empty_parents(path, Path(below))


def _opened(uri: str) -> BinaryIO:
    try:
        return Path(uri).open("rb")
    except OSError as error:
        raise PipelineError(f"Cannot read {uri}: {error.strerror}") from error


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """A file that replaces the target when it is complete."""
    partial = target.with_name(f".{uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            yield file
        # A rename replaces the old file in one step. Landing sources ignore names with a dot.
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _remove_empty_parents(path: Path, below: Path) -> None:
    """Remove the folders above a path that are empty, none of them at or above ``below``."""
    # The first folder that cannot be removed is not empty, or belongs to somebody else.
    with suppress(OSError):
        for folder in takewhile(lambda it: it.is_relative_to(below) and it != below, path.parents):
            folder.rmdir()


@dataclass(frozen=True)
class S3Store:
    """Objects on S3."""

    access: S3Access = field(default_factory=S3Access)

    @cached_property
    def client(self) -> "S3Client":
        """The boto3 client. Creating one takes a while, and threads may share it."""
        return cast("S3Client", self.access.client())

    @property
    def _encryption(self) -> Any:  # noqa: ANN401 - arguments of several requests
        return self.access.encryption

    def require(self, root: str) -> None:
        """See :class:`ObjectStore`."""
        with s3_errors(root):
            self.client.head_bucket(Bucket=split_s3_uri(root)[0])

    def list(
        self,
        prefix: str,
        after: str = "",
        on_fault: OnFault | None = None,  # noqa: ARG002 - S3 holds nothing but objects
    ) -> Iterator[StoredObject]:
        """See :class:`ObjectStore`; listed page by page."""
        bucket, key = split_s3_uri(prefix)
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=key and f"{key}/", StartAfter=split_s3_uri(after)[1]
        )
        with s3_errors(prefix):
            for page in pages:
                for item in page.get("Contents", []):
                    yield StoredObject(
                        f"{S3_SCHEME}{bucket}/{item['Key']}",
                        item["ETag"].strip('"'),
                        item["Size"],
                        item["LastModified"],
                    )

    def open(self, uri: str, etag: str | None = None) -> BinaryIO:
        """See :class:`ObjectStore`; a broken connection is resumed where it broke."""
        return cast(BinaryIO, ResumingReader(self.client, uri, etag))

    def put(self, uri: str, data: bytes) -> None:
        """See :class:`ObjectStore`."""
        bucket, key = split_s3_uri(uri)
        with s3_errors(uri):
            self.client.put_object(Bucket=bucket, Key=key, Body=data, **self._encryption)

    def persist(self, uris: Iterable[str]) -> None:
        """See :class:`ObjectStore`; S3 answers when an object is stored for good."""

    def move(self, source: str, target: str) -> None:
        """See :class:`ObjectStore`."""
        self.copy(source, target)
        self.delete([source])

    def copy(self, source: str, target: str) -> None:
        """See :class:`ObjectStore`; S3 copies the object itself, a large one in parts."""
        bucket, key = split_s3_uri(source)
        to_bucket, to_key = split_s3_uri(target)
        with s3_errors(f"{source} to {target}"):
            self.client.copy(
                {"Bucket": bucket, "Key": key}, to_bucket, to_key, ExtraArgs=self._encryption
            )

    def delete(self, uris: Iterable[str], below: str | None = None) -> None:  # noqa: ARG002 - S3 has no folders
        """See :class:`ObjectStore`."""
        for bucket, keys in _deletions(uris):
            with s3_errors(f"{S3_SCHEME}{bucket}"):
                answer = self.client.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
                )
            for refused in answer.get("Errors", []):
                uri = f"{S3_SCHEME}{bucket}/{refused.get('Key')}"
                raise PipelineError(f"S3 refused to delete {uri}: {refused.get('Code')}")


def _deletions(uris: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Buckets and keys in batches of the size that one request to S3 may have."""
    for bucket, places in groupby(map(split_s3_uri, uris), key=itemgetter(0)):
        keys = [key for _, key in places]
        for start in range(0, len(keys), S3_BATCH):
            yield bucket, keys[start : start + S3_BATCH]


def free_space(uri: str) -> int | None:
    """Free bytes of the disk where ``uri`` lies; None on S3."""
    if uri.startswith(S3_SCHEME):
        return None
    existing = next(parent for parent in [Path(uri), *Path(uri).parents] if parent.exists())
    return shutil.disk_usage(existing).free


def store_of(uri: str, access: S3Access) -> ObjectStore:
    """The object store that a URI lies in: S3 or a folder."""
    return S3Store(access) if uri.startswith(S3_SCHEME) else LocalStore()
