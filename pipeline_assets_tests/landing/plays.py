"""A small table, and the shortest words to publish and read it: ``{"mon": {"ada": 3}}``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_assets.dataset.contract import Contract, Field, Long, String, TableContract
from pipeline_assets.dataset.values.table import WHOLE_TABLE, LakeTable, PartitionRecord
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake

Partitions = Mapping[str, Mapping[str, int]]


class Plays(Contract):
    """One row per listener and day."""

    listener: String = Field(description="Who listened.")
    plays: Long = Field(ge=0, description="How often.")
    day: String = Field(description="When.")


PLAYS = LakeTable("music", "plays", TableContract.of(Plays), "day")
ALL_PLAYS = LakeTable("music", "all_plays", TableContract.of(Plays))


def local_lake(folder: Path) -> Lake:
    return Lake(CatalogAccess(sqlite_uri(folder / "catalog.db"), str(folder)))


def record(version: str = "v1", inputs: Mapping[str, str] | None = None) -> PartitionRecord:
    return PartitionRecord(version, inputs or {}, "code", "run", rows=1, bytes=1)


def publish(
    lake: Lake, partitions: Partitions, version: str = "v1", table: LakeTable = PLAYS
) -> int:
    """Replace partitions in one commit; a partition without rows gets no file."""
    files = list(written(lake, partitions, table))
    keys = partitions if table.partition_column else (WHOLE_TABLE,)
    return lake.publish(table, files, {key: record(version) for key in keys})


def written(lake: Lake, partitions: Partitions, table: LakeTable = PLAYS) -> Iterator[str]:
    """Write a Parquet file per partition, as an engine does below a fresh prefix."""
    prefix = Path(lake.writing_location(table)) / "data" / uuid4().hex
    prefix.mkdir(parents=True)
    for number, (day, plays) in enumerate(partitions.items()):
        if plays:
            columns = {"listener": list(plays), "plays": list(plays.values())}
            rows = pa.table(columns | {"day": [day] * len(plays)})
            pq.write_table(rows, prefix / f"{number}.parquet")
            yield str(prefix / f"{number}.parquet")


def content(
    lake: Lake, keys: Sequence[str] | None = None, table: LakeTable = PLAYS
) -> dict[str, dict[str, int]]:
    """What the published files hold; a listener that is there twice is an error."""
    found: dict[str, dict[str, int]] = {}
    for file in lake.read(table, keys).files:
        for row in pq.read_table(file, partitioning=None).to_pylist():
            day = found.setdefault(row["day"], {})
            assert row["listener"] not in day
            day[row["listener"]] = row["plays"]
    return found
