"""What steps cost that are processes of their own, beside `update`, where they share one.

    python -m benchmarks.steps --before ../an-older-checkout

Both materialise the five tables of ratings from one category of the sample, on an empty lake. A run
that the UI starts executes as ``dagster asset materialize`` does: with the executor of the code
location, each step in a process. CPU seconds are those of all processes that take part.
"""

import argparse
import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

from benchmarks.harness import markdown
from benchmarks.startup import CLI, HERE

CATEGORY: Final = "Gift_Card"
NAMES: Final = (
    *("raw_reviews", "rejected_rows", "reviews"),
    *("filtered_ratings", "train_ready_ratings"),
)
SELECTION: Final = ("--select", " or ".join(f'key:"ratings/{name}"' for name in NAMES))
PARTITION: Final = ("--partition", CATEGORY)
UPDATE: Final = ("-c", CLI, "update", *SELECTION, *PARTITION)
MATERIALISE: Final = ("asset", "materialize", "-m", "pipeline_assets.definitions")
UI: Final = ("-m", "dagster", *MATERIALISE, *SELECTION, *PARTITION)
KNOWN: Final = (
    "import dagster as dg\n"
    f"with dg.DagsterInstance.get() as it: it.add_dynamic_partitions('category', ['{CATEGORY}'])"
)
_SET_CHILD_SUBREAPER: Final = 36  # prctl(2)


def adopt_orphans() -> None:
    """Become the parent of processes whose own has ended, so that their seconds are counted."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measured(arguments: Sequence[str], lake: Path, code: Path) -> tuple[float, float]:
    """CPU seconds of a fresh Python and all processes below it, and seconds on the clock."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), monotonic()
    subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=lake,
        env={**os.environ, "PYTHONPATH": str(code), "DAGSTER_HOME": str(lake)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    seconds = monotonic() - started
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (it.ru_utime + it.ru_stime for it in (after, before))
    return next(used) - next(used), seconds


def turn(arguments: Sequence[str], code: Path) -> tuple[float, float]:
    """The same on a lake of its own."""
    with TemporaryDirectory() as name:
        lake = Path(name)
        (lake / "dagster.yaml").touch()
        measured(("-c", CLI, "sample", "--out", "landing", "--scale", "1"), lake, code)
        measured(("-c", KNOWN), lake, code)
        return measured(arguments, lake, code)


def main() -> None:
    """Take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    adopt_orphans()
    contenders = {"update": (UPDATE, HERE), "run of the UI": (UI, HERE)}
    if arguments.before:
        contenders["run of the UI, before"] = (UI, arguments.before.resolve())
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(arguments.rounds):
        for name, (command, code) in contenders.items():
            taken[name].append(turn(command, code))
    rows = []
    for name, found in taken.items():
        ratios = [own[0] / peer[0] for own, peer in zip(found, taken["update"], strict=True)]
        cpu, clock = (median(each[place] for each in found) for place in (0, 1))
        rows.append([name, f"{cpu:.1f}", f"{median(ratios):.2f}", f"{clock:.1f}"])
    print(markdown(["five steps", "CPU s", "x update", "s on the clock"], rows))


if __name__ == "__main__":
    main()
