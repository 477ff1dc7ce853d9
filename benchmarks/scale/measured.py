"""What :mod:`benchmarks.scale.costs` has measured, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Cost:
    """What a job took on local Spark.

    Attributes:
        seconds: On the clock.
        cpu: CPU seconds of its tasks.
        tasks: How many.
        shuffled: Bytes that it sent from task to task.
    """

    seconds: float
    cpu: float
    tasks: int
    shuffled: int


@dataclass(frozen=True)
class Point:
    """One table at one size.

    Attributes:
        table: Which one.
        rows: Of its result.
        text_bytes: Of the files that it is computed from.
        parquet_bytes: Of the files that were written.
        bare: Of the job that counts its rows and checks nothing else.
        audited: Of the job with its whole audit.
    """

    table: str
    rows: int
    text_bytes: int
    parquet_bytes: int
    bare: Cost
    audited: Cost


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
        bare=Cost(2.09, 1.28, 15, 774),
        audited=Cost(3.53, 1.7, 52, 2066448),
    ),
    Point(
        table="taobao/core_features",
        rows=5329700,
        text_bytes=184751566,
        parquet_bytes=20363312,
        bare=Cost(7.26, 9.11, 15, 784),
        audited=Cost(6.85, 8.98, 16, 852),
    ),
    Point(
        table="taobao/common_features",
        rows=3521499,
        text_bytes=184751566,
        parquet_bytes=13714433,
        bare=Cost(4.28, 5.18, 15, 784),
        audited=Cost(4.47, 5.7, 16, 867),
    ),
    Point(
        table="taobao/impressions",
        rows=800000,
        text_bytes=370047750,
        parquet_bytes=1594341,
        bare=Cost(2.01, 1.91, 15, 576),
        audited=Cost(3.34, 2.92, 52, 4113279),
    ),
    Point(
        table="taobao/core_features",
        rows=10667481,
        text_bytes=370047750,
        parquet_bytes=40171399,
        bare=Cost(12.17, 18.47, 15, 784),
        audited=Cost(15.93, 24.0, 16, 853),
    ),
    Point(
        table="taobao/common_features",
        rows=7056210,
        text_bytes=370047750,
        parquet_bytes=27420865,
        bare=Cost(8.0, 11.53, 20, 843),
        audited=Cost(10.17, 13.62, 21, 962),
    ),
    Point(
        table="taobao/impressions",
        rows=1600000,
        text_bytes=743207772,
        parquet_bytes=3170717,
        bare=Cost(3.76, 4.2, 17, 1020),
        audited=Cost(5.81, 6.76, 56, 8205531),
    ),
    Point(
        table="taobao/core_features",
        rows=21328492,
        text_bytes=743207772,
        parquet_bytes=80284868,
        bare=Cost(22.38, 36.54, 17, 1033),
        audited=Cost(23.01, 37.73, 18, 1098),
    ),
)
FILES: Final = FileCosts(
    manifest_bytes=141, manifest=10.4, commit=1032.1, plan=89.4, held_bytes=7570
)
