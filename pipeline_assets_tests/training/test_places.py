"""Rows may lie on S3, and several processes may read them."""

from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.open_lake import OpenLake
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets.training import Columns, Reader, Shard, prepare
from pipeline_assets_tests.landing.plays import record
from pipeline_assets_tests.training.test_reader import ROWS, SHOWN, drawn, plain

State = dict[str, Any]


def read(folder: Path, shard: Shard, state: State | None, batches: int) -> tuple[list[Any], State]:
    """Some batches of a shard, from where another process has stopped, and how far that is."""
    reader = Reader(Columns.open(folder), 16, "users", seed=4, shard=shard)
    if state:
        reader.load_state_dict(state)
    rows = [row for _, batch in zip(range(batches), reader, strict=False) for row in plain(batch)]
    return rows, reader.state_dict()


def test_rows_on_s3_are_read_by_two_processes_that_stop_and_go_on(
    s3: S3Access, s3_store: S3Store, bucket: str, tmp_path: Path
) -> None:
    access = CatalogAccess(sqlite_uri(tmp_path / "catalog.db"), f"{bucket}/lake", s3)
    lake, buffer = Lake(access), BytesIO()
    pq.write_table(drawn(), buffer)
    uri = f"{lake.location(SHOWN)}/data/a/rows.parquet"
    s3_store.put(uri, buffer.getvalue())
    lake.publish(SHOWN, [uri], {"": record()})
    engine = EmbeddedEngine(memory_limit_mib=256, threads=1, s3=s3)
    with OpenLake(access, engine) as opened:
        columns = prepare(opened["shop.shown"], tmp_path / "cache", order_by=["user_row", "number"])
    shards = [Shard.of(rank, 2) for rank in range(2)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        first = processes.map(read, [columns.folder] * 2, shards, [None] * 2, [5] * 2)
        seen, states = zip(*first, strict=True)
        then = processes.map(read, [columns.folder] * 2, shards, states, [99] * 2)
        rows = [row for each in (*seen, *(rows for rows, _ in then)) for row in each]
    wanted = drawn().drop_columns("part").to_pylist()
    assert len(rows) == ROWS
    assert sorted(rows, key=lambda row: row["number"]) == wanted
