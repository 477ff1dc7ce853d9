"""What the vendor delivers: a folder a snapshot, with two tables, each in one file or several."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline_assets.dataset.contract import Contract
from pipeline_assets.dataset.inputs import Landed
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import StoredObject
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.music.contracts import RawUsers, RawUserTopArtists
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.delimited import RFC_4180, Columns
from pipeline_assets.landing.landed_records import as_rows, read_landed
from pipeline_assets.partitions import SNAPSHOTS

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class DeliveredTable:
    """One of the two: how its files' names start, their columns, and the raw table they become."""

    name: str
    columns: Columns
    contract: type[Contract]


USERS: Final = DeliveredTable("users", Columns(("user_id", "country", "total_scrobbles")), RawUsers)
TOP_ARTISTS: Final = DeliveredTable(
    "user_top_artists",
    Columns(("user_id", "rank", "artist_name", "playcount"), optional=("mbid",)),
    RawUserTopArtists,
)

_MONTH_AND_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_PART = r"([-_.]?(part)?[-_.]?(\d{1,5}|0\d+))?"
"""Of a table in parts. Other endings are no data: ``users_old.csv`` and ``users_20260131.csv`` are
somebody's copies, and their rows would count twice."""
LISTENING: Final = LandingSource(
    name="music",
    prefix="music",
    pattern=re.compile(
        rf"music/(?P<key>\d{{4}}-{_MONTH_AND_DAY})/({USERS.name}|{TOP_ARTISTS.name}){_PART}\.csv"
    ),
    partitioning=SNAPSHOTS,
    description="`music/{snapshot}/users.csv` and `user_top_artists.csv`, each maybe in parts.",
    ignored=re.compile(r"music/genres\.csv"),
    expected="music/{snapshot}/users.csv and user_top_artists.csv, or in parts as users_1.csv; "
    "a snapshot is a day such as 2026-01-31",
)


def delivered_records(
    table: DeliveredTable, deliveries: Landed, workspace: Workspace
) -> "Iterator[pa.RecordBatch]":
    """The records of one of the tables, as text.

    Raises:
        PipelineError: A snapshot lacks either table, or a file cannot be read at all.
    """
    for snapshot, objects in deliveries.objects.items():
        if not objects:  # withdrawn by the vendor, and somebody has asked to follow
            continue
        files = _by_table(snapshot, objects)[table.name]
        for batch in read_landed(files, deliveries.store, table.columns, RFC_4180, workspace):
            yield as_rows(batch, table.contract, snapshot=snapshot)


def _by_table(
    snapshot: str, objects: Sequence[StoredObject]
) -> Mapping[str, Sequence[StoredObject]]:
    """A snapshot's files; half a delivery is refused, or one table would be published alone."""
    found = {
        table.name: [item for item in objects if _file_name(item).startswith(table.name)]
        for table in (USERS, TOP_ARTISTS)
    }
    for name, files in found.items():
        if not files:
            raise PipelineError(f"music/{snapshot} has no {name}.csv; deliver it beside the other")
    return found


def _file_name(item: StoredObject) -> str:
    return item.uri.rpartition("/")[2]
