"""What a row, a task and a file cost, measured on this machine in CPU seconds of Spark's tasks.

Run: ``python -m benchmarks.scale.costs [--scales N ...]``. For each size of the Ali-CCP sample the
embedded engine makes what the heavy tables are computed from, and local Spark runs the very jobs
that a cluster gets, once with a bare count in place of the audit and once with all of it. CPU is
what Spark's own counters say of its tasks, so other processes disturb it less than the clock, which
is printed as well. Then records of many files go through what a publish does with each of them.
The output is Python for :mod:`benchmarks.scale.measured`.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from benchmarks.scale.measured import CORES, Cost, FileCosts, Point
from benchmarks.spark.transforms import ASSETS, MEMORY_MIB, WARM_UP, SampleLake
from pipeline_assets.dataset.contract import Contract, Long, TableContract
from pipeline_assets.dataset.values.table import WHOLE_TABLE, LakeTable, PartitionRecord
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.checksums import checksum_of
from pipeline_assets.iceberg.tables import Lake
from spark_resources.cluster.entry_point import execute
from spark_resources.cluster.hadoop import jvm
from spark_resources.job import Audit, DataFile, Destination, Job, Manifest
from spark_resources.runners.local import LocalConfig, LocalRunner

TABLES: Final = ("taobao/impressions", "taobao/core_features", "taobao/common_features")
BARE: Final = Audit("SELECT count(*) AS `rows` FROM output")


class Counted(Contract):
    """A row of the table of many files."""

    n: Long


def _stages(spark: SparkSession) -> Iterator[tuple[int, float, int, int]]:
    """Of every stage so far: its number, CPU seconds, tasks, and bytes shuffled."""
    gateway: Any = spark.sparkContext._gateway
    nothing, no_quantiles = (
        jvm(spark).java.util.ArrayList(),
        gateway.new_array(gateway.jvm.double, 0),
    )
    store = spark.sparkContext._jsc.sc().statusStore()
    stages = store.stageList(nothing, False, False, no_quantiles, nothing)
    for number in range(stages.size()):
        stage = stages.apply(number)
        cpu = stage.executorCpuTime() / 1e9
        yield stage.stageId(), cpu, stage.numTasks(), stage.shuffleWriteBytes()


def _run(spark: SparkSession, job: Job, out: Path) -> tuple[Manifest, Cost]:
    """Run a job into a new folder; its manifest, and what it took."""
    before = {stage for stage, *_ in _stages(spark)}
    to = job.destination
    moved = Destination(str(out / uuid4().hex), to.partition_column, to.partition_keys)
    started = time.monotonic()
    manifest = execute(spark, replace(job, destination=moved))
    clock = time.monotonic() - started
    new = [measured for stage, *measured in _stages(spark) if stage not in before]
    cpu, tasks, shuffled = (sum(column) for column in zip(*new, strict=True))
    return manifest, Cost(round(clock, 2), round(cpu, 2), int(tasks), int(shuffled))


def _point(spark: SparkSession, lake: SampleLake, table: str, out: Path) -> Point:
    (asset,) = (asset for asset in ASSETS if asset.name == table)
    job = lake.job(asset, "pyspark")
    for _ in range(WARM_UP):
        _run(spark, job, out)
    manifest, bare = _run(spark, replace(job, audit=BARE), out)
    _, audited = _run(spark, job, out)
    text = sum(Path(file.uri).stat().st_size for it in job.inputs.values() for file in it.files)
    return Point(table, manifest.rows, text, manifest.bytes, bare, audited)


def _cpu(work: Callable[[], object], times: int) -> float:
    started = time.process_time()
    work()
    return round((time.process_time() - started) / times * 1e6, 1)


def file_costs(folder: Path, files: int) -> FileCosts:
    """What is done with each file of a publish, by publishing many of a hundred rows each."""
    lake = Lake(CatalogAccess(sqlite_uri(folder / "catalog.db"), str(folder)))
    table = LakeTable("scale", "files", TableContract.of(Counted))
    home = Path(lake.writing_location(table)) / "data" / "attempt"
    home.mkdir(parents=True)
    paths = [str(home / f"part-{number:06d}.parquet") for number in range(files)]
    for path in paths:
        pq.write_table(pa.table({"n": pa.array(range(100), pa.int64())}), path)
    known = {path: checksum_of(lake.access.store, path) for path in paths}
    data = tuple(DataFile(path, 100, it.size, crc32=it.crc32) for path, it in known.items())
    text = Manifest("t", files * 100, data, ()).to_json()
    record = PartitionRecord("v", {}, "code", "run", rows=files * 100, bytes=0)
    reading = _cpu(lambda: Manifest.from_json(text), files)
    before = getrusage(RUSAGE_SELF).ru_maxrss
    commit = _cpu(lambda: lake.publish(table, paths, {WHOLE_TABLE: record}, known), files)
    held = (getrusage(RUSAGE_SELF).ru_maxrss - before) * 1024 // files
    plan = _cpu(lambda: lake.read(table), files)
    return FileCosts(len(text) // files, reading, commit, plan, held)


def main() -> None:
    """Print what :mod:`benchmarks.scale.measured` holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--files", type=int, default=4000)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        print(file_costs(Path(folder), arguments.files))
    with TemporaryDirectory() as home:
        # One Java for all sizes, warm from the first one on.
        spark = LocalRunner(LocalConfig(Path(home), threads=CORES, memory_mib=MEMORY_MIB)).session()
        for scale in arguments.scales:
            with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
                lake = SampleLake(Path(folder), instance)
                lake.fill([asset for asset in ASSETS if asset.name in TABLES], scale)
                for table in TABLES:
                    print(f"    {_point(spark, lake, table, Path(folder) / 'out')!r},", flush=True)


if __name__ == "__main__":
    main()
