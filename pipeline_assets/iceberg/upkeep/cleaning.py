"""Cleaning: expire old snapshots, and remove files that are proven to be garbage.

A file goes in two passes. The first condemns it: no snapshot refers to it, and the attempt that
wrote it is over. A later pass, at least as long after, removes it if that still holds. A file that
was restored meanwhile has a reference and is taken off the list.

Nothing of a table is removed while catalog and storage disagree about it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from pipeline_assets.dataset.values.objects import ObjectStore, StoredObject
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.agreement import (
    behind_line,
    metadata_files,
    version_of,
)
from pipeline_assets.iceberg.catalog import RECOVER, one_line_errors
from pipeline_assets.iceberg.growing_tables import compact
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.iceberg.upkeep.condemned import read_condemned, write_condemned
from pipeline_assets.iceberg.upkeep.expiry import Expired, expirable, expire
from pipeline_assets.iceberg.upkeep.manifests import recovery_told
from pipeline_assets.iceberg.upkeep.orphans import list_files, orphans, references
from pipeline_assets.storage.s3_access import is_in_s3_tables

_NEVER: Final = datetime.max.replace(tzinfo=UTC)

# How long a commit may stay between storage and catalog before it counts as interrupted. Publishing
# takes some milliseconds from one to the other.
_COMMIT_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Files:
    """Number and size of files."""

    number: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, items: Sequence[StoredObject]) -> "Files":
        """Count files."""
        return cls(len(items), sum(item.size for item in items))

    def __str__(self) -> str:
        return f"{self.number} files ({self.bytes:,} bytes)"


@dataclass(frozen=True)
class Cleaned:
    """What cleaning has done with one table, or would do.

    Attributes:
        table: The table.
        expired: The snapshots that expired or are protected.
        condemned: Garbage that a later pass will remove.
        removed: Condemned files that were removed.
        problem: Why nothing of the table was touched, if so.
        is_left: Whether it was left to S3 Tables, which expire, compact and remove by themselves.
    """

    table: LakeTable
    expired: Expired = field(default_factory=Expired)
    condemned: Files = field(default_factory=Files)
    removed: Files = field(default_factory=Files)
    problem: str | None = None
    is_left: bool = False

    def __str__(self) -> str:
        if self.problem:
            return f"{self.table!s:<36} nothing is removed: {self.problem}"
        if self.is_left:
            return (
                f"{self.table!s:<36} is left to the maintenance of S3 Tables, which list no files"
            )
        kept = self.expired.protected
        return (
            f"{self.table!s:<36} {len(self.expired.snapshots)} snapshots expired, "
            f"{self.removed} removed, {self.condemned} condemned"
            + (f"; kept: snapshot {', '.join(kept)}" if kept else "")
        )


def clean(
    lake: Lake,
    store: ObjectStore,
    tables: Iterable[LakeTable],
    older_than: datetime,
    *,
    compacted: Collection[LakeTable] = (),
    is_dry: bool = False,
) -> Iterator[Cleaned]:
    """Clean table by table; one that cannot be cleaned does not keep the others.

    Args:
        lake: The published tables.
        store: Where their files lie.
        tables: The tables to clean.
        older_than: Snapshots replaced before it expire, files of attempts that have written nothing
            since are condemned, and files condemned before it are removed.
        compacted: Tables of many small files, which are rewritten as a few large ones first.
        is_dry: Only say what would be done.
    """
    for table in tables:
        try:
            with one_line_errors(f"clean {table}"), recovery_told():
                if is_in_s3_tables(lake.location(table)):
                    yield Cleaned(table, is_left=True)
                    continue
                listed = list_files(store, lake.location(table))
                _require_agreement(lake, table, listed)
                if table in compacted and not is_dry:
                    compact(lake, table)
                cleaning = _Cleaning(lake, store, table, older_than, listed)
                yield cleaning.foresee() if is_dry else cleaning.perform()
        except PipelineError as error:
            yield Cleaned(table, problem=str(error))


@dataclass(frozen=True)
class _Cleaning:
    """One pass over one table, whose files were listed before its references are read."""

    lake: Lake
    store: ObjectStore
    table: LakeTable
    older_than: datetime
    listed: Sequence[StoredObject]

    @property
    def location(self) -> str:
        return self.lake.location(self.table)

    def foresee(self) -> Cleaned:
        """What :meth:`perform` would do."""
        rest, due = self._divided(self._orphans(), self._already())
        expired = expirable(self.lake.load(self.table), self.older_than)
        return Cleaned(self.table, expired, Files.of(rest), Files.of(due))

    def perform(self) -> Cleaned:
        """Remove what was condemned before, expire, and condemn what has no reference now."""
        already, now = self._already(), datetime.now(UTC)
        rest, due = self._divided(self._orphans(), already)
        self.store.delete((item.uri for item in due), below=self.location)
        expired = expire(self.lake, self.table, self.older_than)
        gone = {item.uri for item in due}
        condemned = [item for item in self._orphans() if item.uri not in gone]
        # What had a reference when this pass began is condemned anew, even if it was before.
        since = {item.uri: already.get(item.uri, now) for item in rest}
        if condemned or already:
            moments = {item.uri: since.get(item.uri, now) for item in condemned}
            write_condemned(self.store, self.location, moments)
        return Cleaned(self.table, expired, Files.of(condemned), Files.of(due))

    def _already(self) -> Mapping[str, datetime]:
        return read_condemned(self.store, self.location) if self.listed else {}

    def _orphans(self) -> list[StoredObject]:
        iceberg = self.lake.load(self.table)
        if iceberg is None:  # whatever lies there, no commit has ever said what it is
            return []
        return orphans(self.location, self.listed, set(references(iceberg)), self.older_than)

    def _divided(
        self, found: Sequence[StoredObject], already: Mapping[str, datetime]
    ) -> tuple[list[StoredObject], list[StoredObject]]:
        """Those that stay condemned, and those that have been so for long enough."""
        due = [item for item in found if already.get(item.uri, _NEVER) < self.older_than]
        return [item for item in found if item not in due], due


class _UnderWayError(PipelineError):
    """Storage holds one commit more than the catalog knows."""


@retry(
    retry=retry_if_exception_type(_UnderWayError),
    wait=wait_random_exponential(multiplier=0.05, max=0.5),
    stop=stop_after_delay(_COMMIT_SECONDS),
    reraise=True,
)
def _require_agreement(lake: Lake, table: LakeTable, listed: Sequence[StoredObject]) -> None:
    """Make sure that the catalog has reached the newest of the listed metadata files.

    Another process writes the metadata of its commit to storage before it tells the catalog. Such
    a commit is waited for, as otherwise each table that is being published would be a problem.

    Raises:
        PipelineError: Catalog and storage disagree, and go on to do so.
    """
    newest = max((file.version for file in metadata_files(listed)), default=-1)
    iceberg = lake.load(table)
    known = version_of(iceberg.metadata_location) if iceberg else newest
    if newest > known + 1:
        raise PipelineError(behind_line(table, known, newest))
    if newest > known:
        raise _UnderWayError(
            f"commit {newest} of {table} is under way, was interrupted, or is unknown to an old "
            f"catalog; if it stays so, {RECOVER}"
        )
