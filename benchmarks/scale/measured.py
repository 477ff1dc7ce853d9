"""What :mod:`benchmarks.scale.costs` has measured, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Point:
    """One table at one size on local Spark.

    Attributes:
        table: Which one.
        rows: Of its result.
        text_bytes: Of the files that it is computed from.
        parquet_bytes: Of the files that were written.
        seconds: On the clock of a job that counts its rows and checks nothing else.
        cpu: CPU seconds of that job's tasks.
        tasks: Of that job.
        shuffled: Bytes that it sent from task to task.
        audited_seconds: On the clock of the job with its whole audit.
        audited_cpu: CPU seconds of its tasks.
        audited_tasks: Of it.
        audited_shuffled: Bytes that it sent.
    """

    table: str
    rows: int
    text_bytes: int
    parquet_bytes: int
    seconds: float
    cpu: float
    tasks: int
    shuffled: int
    audited_seconds: float
    audited_cpu: float
    audited_tasks: int
    audited_shuffled: int


@dataclass(frozen=True)
class FileCosts:
    """What one more file of a publish costs the process that publishes, in microseconds of CPU.

    Attributes:
        manifest_bytes: Of the job's manifest.
        manifest: To read the manifest.
        commit: To commit the file: its footer is read, and a manifest of Iceberg's written.
        plan: To find the file again when the table is read.
        held_bytes: Memory at the peak of the commit.
    """

    manifest_bytes: int
    manifest: float
    commit: float
    plan: float
    held_bytes: int


CORES: Final = 2
"""Of the machine that measured."""
UNPACKED_BYTES_PER_S: Final = 311e6
"""Of one archive by one process; benchmarks.taobao.extraction."""
# On 2026-11-28, two cores, nothing else running.
POINTS: Final[Sequence[Point]] = (
    Point(
        table="taobao/impressions",
        rows=400000,
        text_bytes=184751566,
        parquet_bytes=810313,
        seconds=2.09,
        cpu=1.28,
        tasks=15,
        shuffled=774,
        audited_seconds=3.53,
        audited_cpu=1.7,
        audited_tasks=52,
        audited_shuffled=2066448,
    ),
    Point(
        table="taobao/core_features",
        rows=5329700,
        text_bytes=184751566,
        parquet_bytes=20363312,
        seconds=7.26,
        cpu=9.11,
        tasks=15,
        shuffled=784,
        audited_seconds=6.85,
        audited_cpu=8.98,
        audited_tasks=16,
        audited_shuffled=852,
    ),
    Point(
        table="taobao/common_features",
        rows=3521499,
        text_bytes=184751566,
        parquet_bytes=13714433,
        seconds=4.28,
        cpu=5.18,
        tasks=15,
        shuffled=784,
        audited_seconds=4.47,
        audited_cpu=5.7,
        audited_tasks=16,
        audited_shuffled=867,
    ),
    Point(
        table="taobao/impressions",
        rows=800000,
        text_bytes=370047750,
        parquet_bytes=1594341,
        seconds=2.01,
        cpu=1.91,
        tasks=15,
        shuffled=576,
        audited_seconds=3.34,
        audited_cpu=2.92,
        audited_tasks=52,
        audited_shuffled=4113279,
    ),
    Point(
        table="taobao/core_features",
        rows=10667481,
        text_bytes=370047750,
        parquet_bytes=40171399,
        seconds=12.17,
        cpu=18.47,
        tasks=15,
        shuffled=784,
        audited_seconds=15.93,
        audited_cpu=24.0,
        audited_tasks=16,
        audited_shuffled=853,
    ),
    Point(
        table="taobao/common_features",
        rows=7056210,
        text_bytes=370047750,
        parquet_bytes=27420865,
        seconds=8.0,
        cpu=11.53,
        tasks=20,
        shuffled=843,
        audited_seconds=10.17,
        audited_cpu=13.62,
        audited_tasks=21,
        audited_shuffled=962,
    ),
    Point(
        table="taobao/impressions",
        rows=1600000,
        text_bytes=743207772,
        parquet_bytes=3170717,
        seconds=3.76,
        cpu=4.2,
        tasks=17,
        shuffled=1020,
        audited_seconds=5.81,
        audited_cpu=6.76,
        audited_tasks=56,
        audited_shuffled=8205531,
    ),
    Point(
        table="taobao/core_features",
        rows=21328492,
        text_bytes=743207772,
        parquet_bytes=80284868,
        seconds=22.38,
        cpu=36.54,
        tasks=17,
        shuffled=1033,
        audited_seconds=23.01,
        audited_cpu=37.73,
        audited_tasks=18,
        audited_shuffled=1098,
    ),
)
FILES: Final = FileCosts(
    manifest_bytes=141, manifest=10.4, commit=1032.1, plan=89.4, held_bytes=7570
)
