"""Which files of a table nothing refers to.

A table's files lie below its location: ``data/{attempt}/…`` holds what one attempt to materialise
it wrote (Parquet, raw text below ``raw/``, and checksums), ``metadata/…`` holds what Iceberg's
commits wrote. A Parquet file stays while a snapshot refers to it. Raw text and checksums stay while
a snapshot refers to any file of their attempt. A metadata file stays while the present metadata,
its log or a snapshot refers to it. Nothing refers to the files of a run that was killed or failed.

A file is only ever an orphan if its name shows that an attempt of ours wrote it. What other
programs put beside the table is theirs to remove.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from pyiceberg.table import Table

from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.iceberg.checksums import CHECKSUMS
from pipeline_assets.iceberg.upkeep.manifests import entries_of, manifests_of

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ATTEMPTS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"data/([0-9a-f]{16,64})/.+",
        # Commits of pyiceberg name all their files by one UUID.
        rf"data/(?:[^/]+/)*\d{{5}}-\d+-({_UUID})\.parquet",
        rf"metadata/snap-\d+-\d+-({_UUID})\.avro",
        rf"metadata/({_UUID})-m\d+\.avro",
        rf"metadata/(\d+-{_UUID}(?:\.gz)?\.metadata\.json)",
    )
)


def attempt_of(path: str) -> str | None:
    """Names the attempt of ours that wrote a file; None for files of other programs.

    >>> attempt_of("data/0123456789abcdef/raw/mon/0"), attempt_of("data/readme.txt")
    ('0123456789abcdef', None)

    Args:
        path: Of the file, below the table's location.
    """
    matches = (pattern.fullmatch(path) for pattern in _ATTEMPTS)
    return next((match[1] for match in matches if match), None)


def list_files(store: ObjectStore, location: str) -> list[StoredObject]:
    """The files of a table's data and metadata.

    List them before loading the table: files of a run that commits in between then have a
    reference.
    """
    return [item for name in ("data", "metadata") for item in store.list(f"{location}/{name}")]


def orphans(
    location: str, listed: Iterable[StoredObject], referenced: Collection[str], older_than: datetime
) -> list[StoredObject]:
    """Files without a reference, of attempts that have written nothing since a moment.

    Args:
        location: Of the table.
        listed: Its files.
        referenced: URIs that :func:`references` finds.
        older_than: Must be earlier than the start of every unfinished run, because nothing refers
            to a run's files before it commits.
    """
    return [
        item
        for items in _attempts(location, listed).values()
        if max(item.modified for item in items) < older_than
        for item in _unreferenced(location, items, referenced)
    ]


def _attempts(
    location: str, listed: Iterable[StoredObject]
) -> Mapping[str, Sequence[StoredObject]]:
    attempts: dict[str, list[StoredObject]] = defaultdict(list)
    for item in listed:
        attempt = attempt_of(item.uri.removeprefix(f"{location}/"))
        if attempt is not None:
            attempts[attempt].append(item)
    return attempts


def _unreferenced(
    location: str, items: Sequence[StoredObject], referenced: Collection[str]
) -> list[StoredObject]:
    unreferenced = [item for item in items if item.uri not in referenced]
    is_alive = len(unreferenced) < len(items)
    # No snapshot refers to raw text or checksums; they belong to the Parquet files beside them.
    return [
        item
        for item in unreferenced
        if not (is_alive and item.uri.removeprefix(f"{location}/").split("/")[2:3] in _COMPANIONS)
    ]


_COMPANIONS: Final = (["raw"], [CHECKSUMS])


def references(iceberg: Table) -> Iterator[str]:
    """Every file that the table's present metadata leads to.

    Raises:
        PipelineError: A manifest is damaged.
    """
    yield iceberg.metadata_location
    yield from (entry.metadata_file for entry in iceberg.metadata.metadata_log)
    yield from (item.statistics_path for item in iceberg.metadata.statistics)
    yield from (item.statistics_path for item in iceberg.metadata.partition_statistics)
    yield from (snapshot.manifest_list for snapshot in iceberg.metadata.snapshots)
    manifests = manifests_of(iceberg.metadata.snapshots, iceberg.io)
    yield from manifests
    yield from (entry.data_file.file_path for entry in entries_of(manifests.values(), iceberg.io))
