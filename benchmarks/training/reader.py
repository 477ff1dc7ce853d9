"""Batches of encoded impressions: ours beside joined Parquet, as trainers read it, on the CPU.

Both sides have the shape of the real train split: 13.35 item tokens an impression, 518 tokens a
user, 57.9 impressions a user. The joined rows are few, because each is as long as its user.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.training.peers import PEERS, measured
from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.values.table import LakeTable, PartitionRecord
from pipeline_assets.domains.taobao.training.contracts import (
    FIELDS,
    LISTS,
    EncodedImpressions,
)
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.open_lake import open_lake
from pipeline_assets.training import Columns, Reader, prepare

TABLE: Final = LakeTable("taobao", "encoded_impressions", TableContract.of(EncodedImpressions))
BATCH_ROWS: Final = 32_768
MEANS: Final = {"210": 3.45, "853": 2.53}
USER_TOKENS: Final = 518
USER_ROWS: Final = 57.9


def main() -> None:
    """Print a table of contenders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--impressions", type=int, default=4_200_000)
    parser.add_argument("--joined", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _compare(Path(folder), arguments.impressions, arguments.joined)


def _compare(folder: Path, impressions: int, joined: int) -> None:
    lake = _published(folder, impressions)
    started, cpu = time.perf_counter(), _cpu()
    order = ["user_row", "sample_id"]
    with open_lake(lake.access.warehouse) as opened:
        columns = prepare(opened[str(TABLE)], folder / "cache", order_by=order)
    print(f"prepare, once: {time.perf_counter() - started:.1f} s, CPU {_cpu() - cpu:.1f} s")
    before = _anonymous_mib()
    print("| contender | impressions/s | per CPU s | bytes an impression |")
    print("| --- | --- | --- | --- |")
    file = _joined(folder, joined)
    for name, batches, rows in (
        ("ours, fully shuffled", lambda: _ours(columns, "rows"), impressions),
        ("ours, shuffled by users", lambda: _ours(columns, "users"), impressions),
        ("joined Parquet through pyarrow, in order", lambda: _parquet(file), joined),
    ):
        _report(name, batches, rows)
        print(f"| …memory that maps no file | {before:.0f} MiB | {_anonymous_mib():.0f} MiB | |")
    for peer in PEERS:
        found = measured(peer, file, BATCH_ROWS)
        if found is None:
            print(f"| {peer.name} | not installed: `make test-trainers` | | |")
        else:
            _print(peer.name, *found)


def _report(name: str, batches: Callable[[], Iterable[int]], rows: int) -> None:
    started, cpu = time.perf_counter(), _cpu()
    size = sum(batches())
    _print(name, rows, size, time.perf_counter() - started, _cpu() - cpu)


def _print(name: str, rows: int, size: int, took: float, used: float) -> None:
    print(f"| {name} | {rows / took:,.0f} | {rows / used:,.0f} | {size / rows:,.0f} |")


def _anonymous_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _ours(columns: Columns, shuffle: str) -> Iterable[int]:
    reader = Reader(columns, BATCH_ROWS, "users" if shuffle == "users" else "rows")
    return (batch.nbytes for batch in reader)


def _parquet(file: Path) -> Iterable[int]:
    """Ids, weights and offsets of every list, as numbers."""
    for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS):
        arrays = [
            array
            for column in batch.columns
            for array in (
                (column.flatten(), column.offsets) if pa.types.is_list(column.type) else (column,)
            )
        ]
        yield sum(array.to_numpy(zero_copy_only=False).nbytes for array in arrays)


def _published(folder: Path, impressions: int) -> Lake:
    lake = Lake(CatalogAccess(sqlite_uri(folder / "lake" / "catalog.db"), str(folder / "lake")))
    file = Path(lake.location(TABLE)) / "data" / "a" / "rows.parquet"
    file.parent.mkdir(parents=True)
    schema = pa.schema(TABLE.contract.schema.to_pyarrow())
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, impressions, 100_000):
            writer.write_table(_rows(start, min(100_000, impressions - start), schema))
    record = PartitionRecord("v", {}, "c", "r", rows=impressions, bytes=file.stat().st_size)
    lake.publish(TABLE, [str(file)], {"": record})
    return lake


def _rows(start: int, count: int, schema: pa.Schema) -> pa.Table:
    random = np.random.default_rng(start)
    users = 1 + (np.arange(start, start + count) / USER_ROWS).astype(np.int32)
    columns: dict[str, pa.Array] = {
        "sample_id": pa.array(np.arange(start, start + count)),
        "user_row": pa.array(users),
        "part": pa.repeat(pa.scalar("train"), count),
        "split": pa.repeat(pa.scalar("train"), count),
        "other_tokens": pa.ListArray.from_arrays(
            pa.array(np.zeros(count + 1, np.int32)), pa.array([], pa.string())
        ),
    }
    for name in schema.names:
        field = name.removeprefix("f").removesuffix("_weight")
        if name in columns:
            continue
        if field in LISTS and not name.endswith("_weight"):
            columns |= _list(random, name, count, MEANS[field])
        elif field not in LISTS and name.endswith("_weight"):
            columns[name] = pa.array(random.random(count).astype(np.float32))
        elif field not in LISTS:
            top = 2 if field not in FIELDS else 100_000
            columns[name] = pa.array(random.integers(0, top, count).astype(np.int32))
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _list(random: np.random.Generator, name: str, count: int, mean: float) -> dict[str, pa.Array]:
    lengths = random.poisson(mean, count)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    ids = random.integers(1, 100_000, int(lengths.sum())).astype(np.int32)
    weights = random.random(len(ids)).astype(np.float32)
    return {
        name: pa.ListArray.from_arrays(offsets, pa.array(ids)),
        f"{name}_weight": pa.ListArray.from_arrays(offsets, pa.array(weights)),
    }


def _joined(folder: Path, count: int) -> Path:
    """Rows that have all tokens of their user, in one list of ids and one of weights."""
    file = folder / "joined.parquet"
    schema = pa.schema(TABLE.contract.schema.to_pyarrow())
    random = np.random.default_rng(1)
    rows = _rows(0, count, schema).drop_columns(["part", "split", "other_tokens"])
    for name, array in _list(random, "user", count, USER_TOKENS).items():
        rows = rows.append_column(name, array)
    pq.write_table(rows, file)
    return file


if __name__ == "__main__":
    main()
