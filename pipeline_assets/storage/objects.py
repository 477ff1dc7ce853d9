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

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_assets.dataset.values.objects import ObjectStore, OnFault, StoredObject
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.durability import persist_files
from pipeline_assets.storage.local_listing import local_etag, local_listing
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access, split_s3_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

S3_BATCH: Final = 1000
_NO_ACCESS: Final = frozenset(
    {"403", "AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
)


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
            raise _overwritten(uri)
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


def _overwritten(uri: str) -> PipelineError:
    return PipelineError(f"{uri} was overwritten while it was read; run again")


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
        with _one_line_errors(root):
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
        with _one_line_errors(prefix):
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
        return cast(BinaryIO, _ResumingReader(self.client, uri, etag))

    def put(self, uri: str, data: bytes) -> None:
        """See :class:`ObjectStore`."""
        bucket, key = split_s3_uri(uri)
        with _one_line_errors(uri):
            self.client.put_object(Bucket=bucket, Key=key, Body=data, **self._encryption)

    def persist(self, uris: Iterable[str]) -> None:
        """See :class:`ObjectStore`; S3 answers when an object is stored for good."""

    def move(self, source: str, target: str) -> None:
        """See :class:`ObjectStore`; S3 copies the object itself, a large one in parts."""
        bucket, key = split_s3_uri(source)
        to_bucket, to_key = split_s3_uri(target)
        with _one_line_errors(target):
            self.client.copy(
                {"Bucket": bucket, "Key": key}, to_bucket, to_key, ExtraArgs=self._encryption
            )
            self.client.delete_object(Bucket=bucket, Key=key)

    def delete(self, uris: Iterable[str], below: str | None = None) -> None:  # noqa: ARG002 - S3 has no folders
        """See :class:`ObjectStore`."""
        for bucket, keys in _deletions(uris):
            with _one_line_errors(f"{S3_SCHEME}{bucket}"):
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


class _ResumingReader:
    """Reads an object from start to end; after a broken connection it asks for the rest.

    The etag makes sure that the rest belongs to the same object.
    """

    RETRIES = 5

    def __init__(self, client: "S3Client", uri: str, etag: str | None = None) -> None:
        self._client = client
        self._uri = uri
        self._bucket, self._key = split_s3_uri(uri)
        self._position = 0
        self._etag = etag
        self._body = self._request()

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes, all by default."""
        for attempt in range(self.RETRIES + 1):
            try:
                data = self._body.read(None if size < 0 else size)
                self._position += len(data)
                return bytes(data)
            except (BotoCoreError, OSError) as error:
                if attempt == self.RETRIES:
                    raise _unreachable(self._uri, error) from error
                self._body = self._request()
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """Return the connection to the pool."""
        self._body.close()

    def __enter__(self) -> "_ResumingReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self) -> Any:  # noqa: ANN401 - botocore's StreamingBody
        resumed: dict[str, Any] = {}
        if self._etag:
            resumed["IfMatch"] = f'"{self._etag}"'
        # The etag of the first answer: if somebody overwrites the object, S3 refuses the rest.
        if self._position:
            resumed["Range"] = f"bytes={self._position}-"
        with _one_line_errors(self._uri):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key, **resumed)
        self._etag = answer["ETag"].strip('"')
        return answer["Body"]


@contextmanager
def _one_line_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _unreachable(uri, error) from error


def _unreachable(uri: str, error: Exception) -> PipelineError:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        if details.get("Code") == "PreconditionFailed":
            return _overwritten(uri)
        if details.get("Code") == "InvalidObjectState":
            return PipelineError(f"{uri} is archived: restore it (aws s3api restore-object) first")
        code = details.get("Code", "unknown error")
        hint = "; check the AWS credentials and what they may do" if code in _NO_ACCESS else ""
        return PipelineError(f"S3 refused {uri}: {code} {details.get('Message', '')}{hint}")
    return PipelineError(f"Cannot reach S3 for {uri}: {type(error).__name__}: {error}")


def free_space(uri: str) -> int | None:
    """Free bytes of the disk where ``uri`` lies; None on S3."""
    if uri.startswith(S3_SCHEME):
        return None
    existing = next(parent for parent in [Path(uri), *Path(uri).parents] if parent.exists())
    return shutil.disk_usage(existing).free


def store_of(uri: str, access: S3Access) -> ObjectStore:
    """The object store that a URI lies in: S3 or a folder."""
    return S3Store(access) if uri.startswith(S3_SCHEME) else LocalStore()
