"""Extract a landing archive into raw storage: as fast as it inflates, in constant memory.

Three things happen at once: one thread inflates, the calling thread hashes, validates and cuts the
text into parts, and others store the parts.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.raw_text import TextPart, split_into_parts
from pipeline_assets.landing.tar_stream import TarMember, in_order, stream_members

DEFAULT_PART_BYTES: Final = 16 << 20
"""Size of a part: large enough to store in one request, small enough to read many at a time."""


class PartStore(Protocol):
    """Where parts are written; called from several threads at a time."""

    def __call__(self, member: str, number: int, data: bytes, /) -> str:
        """Store a part and return its URI."""


@dataclass(frozen=True)
class ExtractedPart:
    """A stored part: whole lines of a member.

    Attributes:
        number: Place of the part in its member, from 0.
        uri: Where the store put it.
        first_line: Line number in the member, from 1, of the part's first line.
        line_count: Lines in the part.
        escaped_lines: Lines stored escaped, see `pipeline_assets.landing.raw_text`.
        size_bytes: Bytes as stored.
        terminated: False if the last line had no newline: the member may be cut there.
    """

    number: int
    uri: str
    first_line: int
    line_count: int
    escaped_lines: int
    size_bytes: int
    terminated: bool


@dataclass(frozen=True)
class ExtractedMember:
    """A member that was read to its end.

    Attributes:
        name: Its name in the archive.
        size_bytes: Its size in the archive.
        sha256: Hexadecimal digest of its bytes in the archive.
        parts: The stored parts in order; none if it is empty.
    """

    name: str
    size_bytes: int
    sha256: str
    parts: tuple[ExtractedPart, ...]

    @property
    def line_count(self) -> int:
        """Lines in the member."""
        return sum(part.line_count for part in self.parts)

    @property
    def terminated(self) -> bool:
        """Whether the last line has its newline."""
        return all(part.terminated for part in self.parts)


def _no_progress(archive_bytes: int) -> None:
    pass


@dataclass(frozen=True)
class Extractor:
    """How archives are extracted.

    Attributes:
        store: Stores one part; called from up to `writers` threads at a time.
        part_bytes: Size of a part.
        writers: Parts stored at a time: 1 or 2 for a disk, more for an object store.
        progress: Called in the calling thread with the archive bytes read since the last call.
    """

    store: PartStore
    part_bytes: int = DEFAULT_PART_BYTES
    writers: int = 2
    progress: Callable[[int], None] = _no_progress

    def extract(
        self, archive: BinaryIO, archive_name: str, members: Sequence[str]
    ) -> tuple[ExtractedMember, ...]:
        """Read a `.tar.gz` from start to end and store its members as parts of whole lines.

        Memory stays below about `writers + 3` parts, whatever the archive's size. Nothing is
        returned unless the whole archive is sound: parts stored before a fault was found are left
        to the caller, who gives each attempt a place of its own.

        Args:
            archive: The compressed bytes, read once and forward, from another thread.
            archive_name: What errors call the archive, such as its URI.
            members: Names of the regular files it must hold, each exactly once.

        Returns:
            The members in the order of `members`.

        Raises:
            PipelineError: The archive is truncated or corrupt, lacks a member or holds anything
                else, a member has too long a line, or a part can't be stored.
        """
        stream = stream_members(archive, archive_name, members, self.progress)
        with closing(stream), ThreadPoolExecutor(self.writers, "store-part") as pool:
            read = {m.name: self._extract(m, f"{archive_name}: {m.name}", pool) for m in stream}
        return tuple(read[member] for member in members)

    def _extract(self, member: TarMember, title: str, pool: Executor) -> ExtractedMember:
        original = _Digest(member.chunks)
        stored = (
            pool.submit(self._store, member.name, part)
            for part in split_into_parts(original, self.part_bytes, title)
        )
        parts = tuple(in_order(stored, self.writers))
        return ExtractedMember(member.name, original.size_bytes, original.sha256, parts)

    def _store(self, member: str, part: TextPart) -> ExtractedPart:
        try:
            uri = self.store(member, part.number, part.data)
        except OSError as error:
            raise PipelineError(
                f"Part {part.number} of {member} could not be stored ({error}); "
                "check the space and the permissions there, then run again"
            ) from error
        return ExtractedPart(
            number=part.number,
            uri=uri,
            first_line=part.first_line,
            line_count=part.line_count,
            escaped_lines=part.escaped_lines,
            size_bytes=len(part.data),
            terminated=part.terminated,
        )


class _Digest:
    """Passes chunks on and keeps their size and SHA-256."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._hash.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
