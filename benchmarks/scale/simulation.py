"""The Ali-CCP train split, a hundred and ten thousand times as large, on EMR.

Run: ``python -m benchmarks.scale.simulation``. A job is its tasks on the slots of a cluster, one
after the other as slots become free: a task takes its share of the CPU that was measured here and
of its node's line to S3, a driver starts so many a second, and a few tasks are slow. What is not
divided among tasks comes before and after: an archive is unpacked by one process, and one process
publishes the files. The first table predicts the measured points that nothing was fitted to.
"""

import argparse
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from benchmarks.harness import markdown
from benchmarks.scale.measured import CORES, FILES, POINTS, UNPACKED_BYTES_PER_S, Cost, Point

TASK_BYTES: Final = 128 << 20
FITTED: Final = 2
"""So many of a table's points, the smallest, are fitted to; the others are predicted."""
IMPRESSIONS: Final = 42.3e6
"""Of the real train split."""
ARCHIVE_BYTES: Final = 23e9
"""Of its text."""
SIZES: Final = ((1, 1), (100, 20), (10_000, 500))
"""How many times the real split, and on how many nodes."""


@dataclass(frozen=True)
class Job:
    """A straight line: what a job costs whatever it has to do, and what a row costs.

    Attributes:
        fixed: CPU seconds of tasks without any row.
        each: CPU seconds for a row.
        driver: Seconds on the clock that no task explains.
    """

    fixed: float
    each: float
    driver: float

    @classmethod
    def of(cls, one: Point, other: Point, cost: Cost, other_cost: Cost) -> "Job":
        """Through two points, of which the larger one tells of the driver."""
        each = (other_cost.cpu - cost.cpu) / (other.rows - one.rows)
        driver = max(0.0, other_cost.seconds - other_cost.cpu / CORES)
        return cls(cost.cpu - each * one.rows, each, driver)

    def cpu_at(self, rows: float) -> float:
        """CPU seconds for so many rows."""
        return self.fixed + self.each * rows


@dataclass(frozen=True)
class Cluster:
    """What computes.

    Attributes:
        nodes: How many machines.
        cores: Tasks at once on each.
        speed: Of a core, in cores of the machine that measured.
        line: Bytes a second between a node and S3, or its peers.
        started_per_s: Tasks that the driver starts in a second.
        slow: One task in so many takes three times as long.
        seconds_to_start: Until the first task may run.
        usd_per_hour: Of a node.
    """

    nodes: int
    cores: int = 16
    speed: float = 1.0
    line: float = 1.0e9
    started_per_s: float = 400.0
    slow: int = 100
    seconds_to_start: float = 420.0
    usd_per_hour: float = 0.96

    @property
    def slots(self) -> int:
        """Tasks at once."""
        return self.nodes * self.cores


HERE: Final = Cluster(1, CORES, started_per_s=1e9, slow=1 << 60, line=1e12, seconds_to_start=0.0)


@dataclass(frozen=True)
class Table:
    """What a table costs, as a straight line through its smallest points.

    Attributes:
        name: Whose.
        jobs: Without and with the audit.
        text_per_row: Bytes that are read for a row.
        parquet_per_row: Bytes that are written.
        shuffled_per_row: Bytes that the audit sends from task to task.
    """

    name: str
    jobs: tuple[Job, Job]
    text_per_row: float
    parquet_per_row: float
    shuffled_per_row: float

    @classmethod
    def of(cls, points: Sequence[Point]) -> "Table":
        """Fit to the first of a table's points."""
        one, other = points[:FITTED]
        jobs = (
            Job.of(one, other, one.bare, other.bare),
            Job.of(one, other, one.audited, other.audited),
        )
        return cls(
            one.table,
            jobs,
            other.text_bytes / other.rows,
            other.parquet_bytes / other.rows,
            other.audited.shuffled / other.rows,
        )


@dataclass(frozen=True)
class Forecast:
    """One table at one size.

    Attributes:
        tasks: That read text; each writes a file.
        seconds: From the first task to the last, without and with the audit.
        node_seconds: Of all nodes together, start included.
        publishing: Seconds in the process that publishes.
        held: Bytes of its memory.
        shuffled: Bytes that the audit sends.
    """

    tasks: int
    seconds: tuple[float, float]
    node_seconds: float
    publishing: float
    held: float
    shuffled: float


def makespan(seconds: Callable[[int], float], tasks: int, cluster: Cluster) -> float:
    """When the last of some tasks ends, if each takes the first slot that is free.

    Args:
        seconds: Of a task by its number.
        tasks: How many.
        cluster: Where.
    """
    slots = [0.0] * min(cluster.slots, tasks)
    for number in range(tasks):
        started = max(slots[0], number / cluster.started_per_s)
        heapq.heapreplace(slots, started + seconds(number))
    return max(slots)


def _duration(share: float, cluster: Cluster, chance: Random) -> Callable[[int], float]:
    """Of tasks that take about as long: a tenth more or less, and a few three times."""

    def seconds(_number: int) -> float:
        slow = 3.0 if chance.randrange(cluster.slow) == 0 else 1.0
        return share * slow * (1.0 + 0.1 * (chance.random() - 0.5))

    return seconds


def forecast(table: Table, rows: float, cluster: Cluster) -> Forecast:
    """What a table of so many rows takes."""
    text, parquet = rows * table.text_per_row, rows * table.parquet_per_row
    tasks = max(1, round(text / TASK_BYTES))
    shuffled = rows * table.shuffled_per_row
    moved = ((text + parquet) / tasks, (text + 2 * parquet + 2 * shuffled) / tasks)
    ends = []
    for job, size in zip(table.jobs, moved, strict=True):
        waiting = size / (cluster.line / cluster.cores)
        share = job.cpu_at(rows) / tasks / cluster.speed + waiting
        chance = Random(tasks)
        ends.append(job.driver + makespan(_duration(share, cluster, chance), tasks, cluster))
    publishing = tasks * (FILES.manifest + FILES.commit + FILES.plan) / 1e6
    return Forecast(
        tasks=tasks,
        seconds=(ends[0], ends[1]),
        node_seconds=cluster.nodes * (cluster.seconds_to_start + ends[1]),
        publishing=publishing,
        held=tasks * (FILES.held_bytes + FILES.manifest_bytes),
        shuffled=shuffled,
    )


def tables() -> Sequence[Table]:
    """All that were measured."""
    return [Table.of(_points(name)) for name in dict.fromkeys(point.table for point in POINTS)]


def checked() -> Iterator[list[str]]:
    """Predicted beside measured, for points that nothing was fitted to."""
    for table in tables():
        for point in _points(table.name)[FITTED:]:
            measured = (point.bare.seconds, point.audited.seconds)
            found = forecast(table, point.rows, HERE).seconds
            pairs = list(zip(found, measured, strict=True))
            cells = [f"{predicted:.1f} / {seen:.1f}" for predicted, seen in pairs]
            ratios = [f"{predicted / seen:.2f}" for predicted, seen in pairs]
            yield [table.name, f"{point.rows:,}", *cells, *ratios]


def forecasts(cluster: Cluster) -> Iterator[list[str]]:
    """Each table at each size."""
    (impressions, *_) = _points("taobao/impressions")
    for times, nodes in SIZES:
        for table in tables():
            (smallest, *_) = _points(table.name)
            rows = IMPRESSIONS * times * smallest.rows / impressions.rows
            found = forecast(table, rows, replace(cluster, nodes=nodes))
            dollars = found.node_seconds / 3600 * cluster.usd_per_hour
            seconds = [f"{each / 60:.1f}" for each in found.seconds]
            home = [f"{found.publishing:,.0f}", f"{found.held / 2**30:.2f}"]
            sizes = [f"{found.tasks:,}", f"{found.shuffled / 1e9:,.1f}"]
            name = f"x {times:,} {table.name}"
            yield [name, f"{rows:.3g}", f"{nodes}", *sizes, *seconds, *home, f"{dollars:,.2f}"]


def unpacked() -> Iterator[list[str]]:
    """What one process needs for the text of each size, in one archive."""
    for times, _ in SIZES:
        text = ARCHIVE_BYTES * times
        yield [f"x {times:,}", f"{text / 1e9:,.0f}", f"{text / UNPACKED_BYTES_PER_S / 3600:,.2f}"]


def _points(table: str) -> list[Point]:
    return sorted((it for it in POINTS if it.table == table), key=lambda it: it.rows)


def main() -> None:
    """Print what was predicted beside what was measured, then what nobody has measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--usd", type=float, default=Cluster.usd_per_hour, help="a node's hour")
    arguments = parser.parse_args()
    print(markdown(CHECKED, list(checked())), end="\n\n")
    print(markdown(FORECAST, list(forecasts(Cluster(1, usd_per_hour=arguments.usd)))), end="\n\n")
    print(markdown(UNPACKED, list(unpacked())))


CHECKED: Final = (
    "table",
    "rows",
    "s, predicted / measured",
    "with audit",
    "ratio",
    "ratio with audit",
)
FORECAST: Final = (
    "table",
    "rows",
    "nodes",
    "tasks = files",
    "GB shuffled",
    "min",
    "min with audit",
    "s to publish",
    "GiB to publish",
    "$",
)
UNPACKED: Final = ("archive", "GB of text", "hours in one process")

if __name__ == "__main__":
    main()
