"""Read a `.tar.gz` that a vendor delivered: as a stream, once, and believing nothing in it.

Member names are compared with the expected ones and never become paths, sizes in headers are never
allocated, and every gzip checksum is verified. `tarfile` parses the headers (long names, POSIX
extensions, sizes beyond 8 GiB) from a stream that hands it a bounded number of bytes.
"""

import gzip
import io
import itertools
import sys
import tarfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from isal import igzip, isal_zlib

from pipeline_assets.dataset.values.expansion import LANDING_EXPANSION, ExpansionLimit
from pipeline_assets.errors import PipelineError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HEADER_BYTES: Final = 1 << 14
"""Longest header of a member, extensions included; real ones take from 512 to some 3,000 bytes."""

_CHUNK_BYTES: Final = 1 << 20
_CHUNKS_AHEAD: Final = 2
# The stub of isal declares its error as an instance.
_CORRUPT: Final[tuple[type[Exception], ...]] = (gzip.BadGzipFile, isal_zlib.IsalError)  # type: ignore[assignment]
_REGULAR_TYPES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE)
_OTHER_TYPES: Final = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}

T = TypeVar("T")


@dataclass(frozen=True)
class TarMember:
    """A file inside an archive.

    Attributes:
        name: Its expected name.
        chunks: Its bytes, readable until the next member is asked for.
    """

    name: str
    chunks: Iterator[bytes]


def stream_members(
    stream: BinaryIO,
    uri: str,
    expected: Sequence[str],
    progress: Callable[[int], None],
    expansion: int = LANDING_EXPANSION,
) -> Generator[TarMember, None, None]:
    """Yield the members of a `.tar.gz`, which must be exactly the expected regular files.

    A thread inflates ahead of the caller. A `./` before the names and a folder entry of that name
    are tolerated, for `tar -C folder .` writes them. Only when the iterator ends is the archive
    known to be sound.

    Args:
        stream: The compressed bytes, read forward from that thread.
        uri: The archive's, for errors.
        expected: Names of the members that must be there, each once, in any order.
        progress: Called in the caller's thread with the archive bytes read since the last call.
        expansion: How many bytes one byte of the archive may unfold to.

    Raises:
        PipelineError: The archive is truncated or corrupt, unfolds too far, lacks a member or holds
            anything else.
    """
    limit = ExpansionLimit(uri, expansion)
    with closing(_inflate(stream, limit, progress)) as chunks:
        tar = _TarStream(chunks, uri)
        guard = _Guard(uri, expected)
        for header in _headers(tar, uri):
            name = guard.accept(header)
            if name != ".":
                content = tar.content(header)
                yield TarMember(name, content)
                _exhaust(content)
        guard.require_all()
        _require_padding(tar.rest(), uri)


def in_order(futures: Iterable[Future[T]], ahead: int) -> Iterator[T]:
    """Yield results in order while up to `ahead` later futures, submitted lazily, run."""
    pending: deque[Future[T]] = deque()
    for future in futures:
        pending.append(future)
        if len(pending) > ahead:
            yield pending.popleft().result()
    for future in pending:
        yield future.result()


def _inflate(
    stream: BinaryIO, limit: ExpansionLimit, progress: Callable[[int], None]
) -> Generator[bytes, None, None]:
    """Decompressed chunks, inflated ahead; they end only if the checksums were right."""
    source = _CountingReader(stream)
    reported = unfolded = 0
    with _open_gzip(source) as inflated, ThreadPoolExecutor(1, "inflate") as pool:
        reads = (pool.submit(_read_chunk, inflated, limit.uri) for _ in itertools.count())
        for chunk in in_order(reads, _CHUNKS_AHEAD):
            total = source.total
            progress(total - reported)
            reported = total
            if not chunk:
                return
            unfolded += len(chunk)
            limit.require(unfolded, total)
            yield chunk


def _open_gzip(source: io.RawIOBase) -> gzip.GzipFile:
    return igzip.IGzipFile(fileobj=source, mode="rb")  # type: ignore[no-untyped-call]


def _read_chunk(inflated: gzip.GzipFile, uri: str) -> bytes:
    try:
        return inflated.read(_CHUNK_BYTES)
    except EOFError as error:
        raise PipelineError(f"{uri} is truncated; deliver it again") from error
    except _CORRUPT as error:
        raise PipelineError(f"{uri} is corrupt ({error}); deliver it again") from error


class _CountingReader(io.RawIOBase):
    """An archive's bytes, and how many of them were read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self.total += len(data)
        return len(data)


class _TarStream(io.RawIOBase):
    """The decompressed archive; gives the reader of a header no more than a header's bytes."""

    def __init__(self, chunks: Iterator[bytes], uri: str) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._uri = uri
        self._position = 0
        self._header_end = MAX_HEADER_BYTES
        self.last_read = b""

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, _whence: int = io.SEEK_SET, /) -> int:
        """Refuse: `tarfile` asks for it only where a header's sizes contradict each other."""
        raise _not_sound(self._uri, f"false sizes in the header before {offset:,}")

    def begin_header(self) -> None:
        self._header_end = self._position + MAX_HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        """Read a piece of a header."""
        if not 0 <= size <= self._header_end - self._position:
            raise _not_sound(self._uri, f"a header of over {MAX_HEADER_BYTES:,} bytes")
        self.last_read = b"".join(self._take(size))
        return self.last_read

    def content(self, header: tarfile.TarInfo) -> Iterator[bytes]:
        """The bytes of the member whose header was read last; moves on to the next header."""
        end = self._position + header.size
        yield from self._take(header.size)
        if self._position < end:
            raise PipelineError(
                f"{self._uri} is truncated: member {header.name} lacks the last "
                f"{end - self._position:,} of its {header.size:,} bytes; deliver it again"
            )
        _exhaust(self._take(-header.size % tarfile.BLOCKSIZE))

    def rest(self) -> Iterator[bytes]:
        return self._take(sys.maxsize)

    def _take(self, size: int) -> Iterator[bytes]:
        while size > 0:
            self._chunk = self._chunk or next(self._chunks, b"")
            if not self._chunk:
                return
            piece, self._chunk = self._chunk[:size], self._chunk[size:]
            self._position += len(piece)
            size -= len(piece)
            yield piece


def _headers(tar: _TarStream, uri: str) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.TarFile(fileobj=tar) as archive:
            while header := archive.next():
                yield header
                tar.begin_header()
    except (tarfile.TarError, ValueError) as error:
        raise _not_sound(uri, str(error)) from error
    if tar.last_read.strip(b"\0"):  # `tarfile` takes a damaged later header for the end
        raise _not_sound(uri, f"a damaged header before byte {tar.tell():,}")


class _Guard:
    """Lets only the expected members pass, each once, as regular files."""

    def __init__(self, uri: str, expected: Sequence[str]) -> None:
        self._uri = uri
        self._expected = expected
        self._passed: set[str] = set()

    def accept(self, header: tarfile.TarInfo) -> str:
        """The member's expected name, or "." for the folder entry that may come with them."""
        name = header.name.removeprefix("./")
        if name not in self._expected and not (name == "." and header.isdir()):
            raise self._fault(f"holds the unexpected member {_shown(header.name)}")
        if name in self._passed:
            raise self._fault(f"holds member {name} twice")
        if name != "." and not _is_plain_file(header):
            raise self._fault(f"holds member {name} as {_kind(header)}")
        self._passed.add(name)
        return name

    def require_all(self) -> None:
        missing = [name for name in self._expected if name not in self._passed]
        if missing:
            raise self._fault(f"lacks {' and '.join(missing)}")

    def _fault(self, what: str) -> PipelineError:
        wanted = " and ".join(self._expected)
        return PipelineError(f"{self._uri} {what}; pack just {wanted} as plain files")


def _is_plain_file(header: tarfile.TarInfo) -> bool:
    sparse = any(keyword.startswith("GNU.sparse") for keyword in header.pax_headers)
    return header.type in _REGULAR_TYPES and header.size >= 0 and not sparse


def _kind(header: tarfile.TarInfo) -> str:
    return _OTHER_TYPES.get(header.type, "a sparse file or one of an unknown kind")


def _shown(name: str) -> str:
    return ascii(name if len(name) < 100 else name[:97] + "...")


def _require_padding(rest: Iterator[bytes], uri: str) -> None:
    """Read the archive to its end, which also verifies the last checksum."""
    for piece in rest:
        if piece.strip(b"\0"):
            raise _not_sound(uri, "data after its end")


def _not_sound(uri: str, why: str) -> PipelineError:
    return PipelineError(f"{uri} is no sound .tar.gz archive: {why}; deliver it again")


def _exhaust(chunks: Iterator[bytes]) -> None:
    deque(chunks, maxlen=0)
