"""Contenders take turns, each in a new process, so that a busy machine slows all of them alike.

A ratio is taken within each round and the median of the rounds is reported: on shared cores a
second means little and a ratio from one run means something.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

Outcome: TypeAlias = Mapping[str, float]
Contender: TypeAlias = Callable[[Path, Path], Outcome]


@dataclass(frozen=True)
class Run:
    """One run of one contender: what it measured, and its process's peak memory in MiB."""

    measured: Outcome
    peak_mib: float


@dataclass(frozen=True)
class Race:
    """Contenders that make the same thing from the same input.

    Attributes:
        title: What is made.
        contenders: By name; each is a module-level function from input folder and an empty output
            folder to what it measured, at least ``seconds``.
        rounds: How many turns each gets.
    """

    title: str
    contenders: Mapping[str, Contender]
    rounds: int = 5
    results: dict[str, list[Run]] = field(default_factory=dict)

    def run(self, source: Path, scratch: Path) -> "Race":
        """Let them take turns."""
        for _ in range(self.rounds):
            for name, contender in self.contenders.items():
                target = scratch / "out"
                target.mkdir()
                self.results.setdefault(name, []).append(_in_child(contender, source, target))
                shutil.rmtree(target)
        return self

    def seconds(self, name: str, what: str = "seconds") -> float:
        """A contender's median."""
        return median(run.measured[what] for run in self.results[name])

    def ratio(self, name: str, rivals: Sequence[str], what: str = "seconds") -> float:
        """Median over the rounds of a contender's time by that of the round's best rival."""
        rounds = range(self.rounds)
        return median(
            self.results[name][turn].measured[what]
            / min(self.results[rival][turn].measured["seconds"] for rival in rivals)
            for turn in rounds
        )

    def peak_mib(self, name: str) -> float:
        """A contender's highest peak."""
        return max(run.peak_mib for run in self.results[name])


def _in_child(contender: Contender, source: Path, target: Path) -> Run:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measured, contender, source, target).result()


def _measured(contender: Contender, source: Path, target: Path) -> Run:
    return Run(contender(source, target), peak_mib())


def peak_mib() -> float:
    """Largest resident memory of this process; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
