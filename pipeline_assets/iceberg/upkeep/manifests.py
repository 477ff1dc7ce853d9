"""Reading a snapshot's manifests and files when they may be damaged.

What a decoder raises for damaged bytes is whatever it stumbles over: any error there means that the
file cannot be read. The message names the file, and the command that helps.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, ManifestEntry, ManifestFile
from pyiceberg.table import DataScan
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import RECOVER

if TYPE_CHECKING:
    import pyarrow as pa

VERIFY: Final = "run: pipeline-assets verify --deep"


class DamagedManifestError(PipelineError):
    """A manifest, or a list of manifests, that cannot be read."""


@contextmanager
def recovery_told() -> Iterator[None]:
    """Add to the message about a damaged manifest what to run.

    Raises:
        PipelineError: In place of a DamagedManifestError.
    """
    try:
        yield
    except DamagedManifestError as error:
        raise PipelineError(f"{error}: {RECOVER}") from error


def planned(scan: DataScan, table: object) -> list[DataFile]:
    """The files that a scan has to read.

    Raises:
        PipelineError: A manifest cannot be read; the message names it and the table.
    """
    try:
        return [task.file for task in scan.plan_files()]
    except Exception as error:
        raise _named(scan, table, _first_line(error)) from error


def rows_in(scan: DataScan, table: object) -> "pa.Table":
    """The rows that a scan selects.

    Raises:
        PipelineError: A manifest or a file cannot be read; the message names the table.
    """
    try:
        return scan.to_arrow()
    except Exception as error:
        raise _named(scan, table, f"{_first_line(error)}; {VERIFY}") from error


def _named(scan: DataScan, table: object, said: str) -> PipelineError:
    """Which of the manifests that a scan reads is at fault; otherwise what the scan has said."""
    snapshot = scan.snapshot()
    try:
        manifests = manifests_of([snapshot] if snapshot else [], scan.io).values()
        for manifest in manifests:
            manifest_entries(manifest, scan.io)
    except DamagedManifestError as damage:
        return PipelineError(f"Cannot read {table}: {damage}: {RECOVER}")
    return PipelineError(f"Cannot read {table}: {said}")


def manifests_of(snapshots: Iterable[Snapshot], io: FileIO) -> dict[str, ManifestFile]:
    """The manifests of some snapshots by URI; snapshots share most of them.

    Raises:
        PipelineError: The list of a snapshot's manifests cannot be read; the message names it.
    """
    found: dict[str, ManifestFile] = {}
    for snapshot in snapshots:
        try:
            found |= {manifest.manifest_path: manifest for manifest in snapshot.manifests(io)}
        except Exception as error:
            raise _unreadable(snapshot.manifest_list, error) from error
    return found


def entries_of(manifests: Iterable[ManifestFile], io: FileIO) -> Iterator[ManifestEntry]:
    """The entries of manifests, each of which names a data file that is in use.

    Raises:
        PipelineError: A manifest cannot be read; the message names it.
    """
    for manifest in manifests:
        yield from manifest_entries(manifest, io)


def manifest_entries(
    manifest: ManifestFile, io: FileIO, *, deleted: bool = False
) -> list[ManifestEntry]:
    """The entries of one manifest, also those of files that were deleted if asked for.

    Raises:
        PipelineError: It cannot be read; the message names it.
    """
    try:
        return manifest.fetch_manifest_entry(io, discard_deleted=not deleted)
    except Exception as error:
        raise _unreadable(manifest.manifest_path, error) from error


def _unreadable(uri: str, error: Exception) -> PipelineError:
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return PipelineError(f"{uri} cannot be read ({_first_line(error)})")
    return DamagedManifestError(f"{uri} is damaged or missing ({_first_line(error)})")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
