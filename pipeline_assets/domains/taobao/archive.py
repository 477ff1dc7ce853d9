"""Extract a landed archive into raw storage: as fast as it inflates, in constant memory.

Three things happen at once: one thread inflates, the calling thread hashes, validates and cuts the
text into parts, and others store the parts.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.values.expansion import LANDING_EXPANSION
from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject, encode_key
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.taobao.contracts import RawFiles
from pipeline_assets.domains.taobao.lines import LAYOUTS
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.raw_text import TextPart, split_into_parts, without_byte_order_mark
from pipeline_assets.landing.tar_stream import TarMember, in_order, stream_members

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_PART_BYTES: Final = 16 << 20
"""Size of a part: large enough to store in one request, small enough to read many at a time."""

Row: TypeAlias = dict[str, Any]
"""A stored part, by the columns of ``raw_files`` that the archive alone decides."""


def extract_split(
    archive: StoredObject, split: str, store: ObjectStore, workspace: Workspace
) -> "pa.RecordBatch":
    """Extract the archive of a split into the workspace.

    Returns:
        The rows of ``raw_files``.

    Raises:
        PipelineError: The archive is not exactly what the vendor describes.
    """
    import pyarrow as pa

    extractor = Extractor(
        put=lambda name, data: workspace.put(f"{encode_key(split)}/{name}", data),
        part_bytes=workspace.part_bytes,
        progress=lambda done: workspace.progress.advance(archive.uri, done, archive.size),
        expansion=workspace.landing_expansion,
    )
    members = {layout.file_name(split): layout.member for layout in LAYOUTS}
    with closing(store.open(archive.uri, archive.etag)) as stream:
        rows = extractor.extract(stream, archive.uri, list(members))
    named = [row | {"split": split, "member": members[row["member"]]} for row in rows]
    schema = TableContract.of(RawFiles).schema.to_pyarrow()
    return pa.RecordBatch.from_pylist(named, schema=schema)


@dataclass(frozen=True)
class Extractor:
    """How archives are extracted.

    Attributes:
        put: Stores a part under a relative name and returns its URI; called from up to `writers`
            threads at a time.
        part_bytes: Size of a part.
        writers: Parts stored at a time: 1 or 2 for a disk, more for an object store.
        progress: Called in the calling thread with the archive bytes read since the last call.
        expansion: How many bytes one byte of the archive may unfold to.
    """

    put: Callable[[str, bytes], str]
    part_bytes: int = DEFAULT_PART_BYTES
    writers: int = 2
    progress: Callable[[int], None] = lambda _done: None
    expansion: int = LANDING_EXPANSION

    def extract(self, stream: BinaryIO, uri: str, members: Sequence[str]) -> list[Row]:
        """Read a `.tar.gz` from start to end and store its members as parts of whole lines.

        Memory stays below about `writers + 3` parts, whatever the archive's size. Nothing is
        returned unless the whole archive is sound: parts stored before a fault was found are left
        to the caller, who gives each attempt a place of its own.

        Args:
            stream: The compressed bytes, read once and forward, from another thread.
            uri: The archive's, for rows and errors.
            members: Names of the regular files it must hold, each exactly once.

        Returns:
            One row for each part, in the order of `members`; none for an empty member.

        Raises:
            PipelineError: The archive is truncated or corrupt, lacks a member or holds anything
                else, a member has too long a line, or a part can't be stored.
        """
        found = stream_members(stream, uri, members, self.progress, self.expansion)
        with closing(found), ThreadPoolExecutor(self.writers, "store-part") as pool:
            rows = {member.name: self._extract(member, uri, pool) for member in found}
        return [row for member in members for row in rows[member]]

    def _extract(self, member: TarMember, uri: str, pool: Executor) -> list[Row]:
        digest = _Digest(member.chunks)
        text = without_byte_order_mark(digest)
        stored = (
            pool.submit(self._store, member.name, part)
            for part in split_into_parts(text, self.part_bytes, f"{uri}: {member.name}")
        )
        rows = list(in_order(stored, self.writers))
        whole = {
            "source_uri": f"{uri}#{member.name}",
            "member": member.name,
            "unterminated_line": max((row["unterminated_line"] for row in rows), default=0),
            "member_size_bytes": digest.size_bytes,
            "member_sha256": digest.sha256,
        }
        return [row | whole for row in rows]

    def _store(self, member: str, part: TextPart) -> Row:
        try:
            uri = self.put(f"{part.number:05d}-{member}", part.data)
        except OSError as error:
            raise PipelineError(
                f"Part {part.number} of {member} could not be stored ({error}); "
                "check the space and the permissions there, then run again"
            ) from error
        last_line = part.first_line + part.line_count - 1
        return {
            "part": part.number,
            "part_uri": uri,
            "first_line": part.first_line,
            "line_count": part.line_count,
            "escaped_lines": part.escaped_lines,
            "size_bytes": len(part.data),
            "unterminated_line": 0 if part.terminated else last_line,
        }


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
