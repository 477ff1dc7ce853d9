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
POINTS: Final[Sequence[Point]] = ()
FILES: Final = FileCosts(0, 0.0, 0.0, 0.0, 0)
