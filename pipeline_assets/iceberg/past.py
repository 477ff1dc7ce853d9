"""Which snapshot of a table is meant: the present one, one by its id, or that of a moment."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from pipeline_assets.errors import PipelineError, UnknownNameError
from pipeline_assets.iceberg.history import ancestry, committed_at


@dataclass(frozen=True)
class Version:
    """The version of tables that somebody asks for; by default the present one.

    Attributes:
        snapshot_id: A snapshot, which only one table can have.
        as_of: What was published at this moment. A moment without a time zone is in UTC.
    """

    snapshot_id: int | None = None
    as_of: datetime | str | None = None

    def __post_init__(self) -> None:
        if self.snapshot_id is not None and self.as_of is not None:
            raise PipelineError("Name a snapshot or a moment, not both")

    def of(self, iceberg: Table, name: str) -> Snapshot:
        """The snapshot of a table.

        Args:
            iceberg: The table.
            name: What to call it in errors.

        Raises:
            UnknownNameError: The table has no such snapshot.
            PipelineError: Nothing was published by then, or the moment cannot be read.
        """
        chain = ancestry(iceberg, iceberg.metadata.current_snapshot_id)
        if not chain:
            raise PipelineError(f"{name} was never published")
        if self.as_of is not None:
            return _at(chain, _moment(self.as_of), name)
        if self.snapshot_id is None:
            return chain[-1]
        found = iceberg.snapshot_by_id(self.snapshot_id)
        if found is None:
            ids = ", ".join(str(each.snapshot_id) for each in chain[-3:])
            raise UnknownNameError(
                f"{name} has no snapshot {self.snapshot_id}; its last ones are {ids}"
            )
        return found


PRESENT = Version()


def _at(chain: list[Snapshot], moment: datetime, name: str) -> Snapshot:
    before = [each for each in chain if committed_at(each) <= moment]
    if not before:
        begin = f"{committed_at(chain[0]):%Y-%m-%d %H:%M:%S}"
        raise PipelineError(f"The history of {name} begins at {begin} UTC")
    return before[-1]


def _moment(as_of: datetime | str) -> datetime:
    try:
        moment = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except ValueError:
        raise PipelineError(f"{as_of!r} is no moment, such as 2024-05-01T12:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
