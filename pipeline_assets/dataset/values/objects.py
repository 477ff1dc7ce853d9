"""Objects as values, and what the lake needs of a storage that holds them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Protocol, TypeAlias
from urllib.parse import quote


@dataclass(frozen=True)
class StoredObject:
    """One object: its identity is (uri, etag); size in bytes; modification time in UTC."""

    uri: str
    etag: str
    size: int
    modified: datetime


OnFault: TypeAlias = Callable[[str, str], object]
"""Called with the URI of something that cannot be read, and why not."""


class ObjectStore(Protocol):
    """What the lake needs of a storage; URIs are absolute paths or ``s3://bucket/key``."""

    def require(self, root: str) -> None:
        """Fail with a PipelineError unless this folder or bucket can be reached."""
        ...

    def list(
        self, prefix: str, after: str = "", on_fault: OnFault | None = None
    ) -> Iterator[StoredObject]:
        """The objects below a prefix, ordered by URI; nothing where there is no such folder.

        Args:
            prefix: A folder.
            after: Only those whose URI comes after this one, be there such an object or not.
            on_fault: Told of what is no object that could be read, such as a named pipe, a link
                that leads out of the prefix or a folder that may not be listed, which is left out.
                Without it a folder that may not be listed is an error.
        """
        ...

    def open(self, uri: str, etag: str | None = None) -> BinaryIO:
        """A stream over an object's bytes.

        Args:
            uri: Of the object.
            etag: Fail with a PipelineError if it has another one now: it was overwritten since it
                was listed, and what is materialised from it would bear the wrong version.
        """
        ...

    def put(self, uri: str, data: bytes) -> None:
        """Write an object; readers see all of it or nothing."""
        ...

    def persist(self, uris: Iterable[str]) -> None:
        """Make sure that objects outlive a power cut; a storage that always does does nothing."""
        ...

    def move(self, source: str, target: str) -> None:
        """Give an object another name; readers of that name see the old or the new, whole."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Copy an object; the copy is a file of its own, and readers see all of it or nothing."""
        ...

    def delete(self, uris: Iterable[str], below: str | None = None) -> None:
        """Delete objects; a missing one is no error.

        Args:
            uris: The objects.
            below: In a file system, folders below this one go when they are left empty. Without it
                none goes, since a folder may be somebody else's.
        """
        ...


def encode_key(key: str) -> str:
    """Turn any partition key into one path segment, injectively.

    >>> encode_key("a/b c")
    'a%2Fb%20c'
    """
    encoded = quote(key, safe="")
    return encoded.replace(".", "%2E") if set(encoded) <= {"."} else encoded


def fingerprint(objects: Iterable[StoredObject]) -> str:
    """Sixteen hex digits that change whenever an object appears, goes or is overwritten."""
    identities = sorted(f"{item.uri}@{item.etag}" for item in objects)
    return hashlib.sha256("\n".join(identities).encode()).hexdigest()[:16]


NOTHING: Final = fingerprint(())
"""The fingerprint of a delivery whose objects have been withdrawn."""
