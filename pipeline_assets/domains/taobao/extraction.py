"""From a landed archive to rows of ``raw_files``."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa

from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject, encode_key
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.taobao.archive import ExtractedMember, Extractor
from pipeline_assets.domains.taobao.contracts import RawFiles
from pipeline_assets.domains.taobao.lines import LAYOUTS


def extract_split(
    archive: StoredObject, split: str, store: ObjectStore, workspace: Workspace
) -> pa.RecordBatch:
    """Extract one archive and describe the stored parts.

    Raises:
        PipelineError: The archive is not exactly what the vendor describes.
    """

    def put(member: str, number: int, data: bytes, /) -> str:
        return workspace.put(f"{encode_key(split)}/{number:05d}-{member}", data)

    extractor = Extractor(
        store=put,
        part_bytes=workspace.part_bytes,
        progress=lambda done: workspace.progress.advance(archive.uri, done, archive.size),
    )
    names = {layout.file_name(split): layout.member for layout in LAYOUTS}
    with closing(store.open(archive.uri, archive.etag)) as stream:
        members = extractor.extract(stream, archive.uri, list(names))
    rows = [
        row | {"split": split, "member": names[member.name]}
        for member in members
        for row in _rows(archive.uri, member)
    ]
    schema = TableContract.of(RawFiles).schema.to_pyarrow()
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def _rows(archive_uri: str, member: ExtractedMember) -> Iterator[dict[str, Any]]:
    for part in member.parts:
        yield {
            "source_uri": f"{archive_uri}#{member.name}",
            "part": part.number,
            "part_uri": part.uri,
            "first_line": part.first_line,
            "line_count": part.line_count,
            "escaped_lines": part.escaped_lines,
            "size_bytes": part.size_bytes,
            "unterminated_line": 0 if member.terminated else member.line_count,
            "member_size_bytes": member.size_bytes,
            "member_sha256": member.sha256,
        }
