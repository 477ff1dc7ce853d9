"""Reading a snapshot's manifests when they may be damaged.

What pyiceberg raises for damaged bytes is whatever its decoder stumbles over: any error there means
that the file cannot be read.
"""

from collections.abc import Iterable, Iterator

from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestEntry, ManifestFile
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.errors import PipelineError


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
    what = next(iter(str(error).splitlines()), type(error).__name__)
    return PipelineError(f"{uri} is damaged or missing ({what})")
