"""What commands cost before they do anything: CPU seconds and memory of fresh processes.

    python -m benchmarks.startup --before ../an-older-checkout
    python -m benchmarks.startup --instructions definitions

Each command runs in a new process, in turn with ``import dagster``, so that a busy machine slows
both alike; a ratio is the median over the rounds. The lake holds one small domain. With `--before`,
the code of another checkout takes its turns as well, on a lake of its own.

The rows "what … imports" are floors: the libraries that a command cannot do without, and no line of
ours. With `--instructions`, Valgrind counts what the processes of some rows execute, which is the
same on a busy machine and takes half a minute for each of them.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness import markdown

HERE: Final = Path(__file__).parents[1]
CLI: Final = "from pipeline_assets.command.cli import main; main()"
COUNT: Final = "select count(*) from {}"
FILES: Final = "'lake/music/users/data/**/*.parquet'"
SELECT: Final = ("--select", 'key:"music/raw_users" or key:"music/users"')
PEERS: Final[Mapping[str, Sequence[str]]] = {
    "import dagster": ("-c", "import dagster"),
    "import dagster, ibis": ("-c", "import dagster, ibis"),
    "import pandas, pyiceberg": ("-c", "import pandas, pyiceberg"),
    "import pandas, pyiceberg's tables": (
        "-c",
        "import pandas, pyiceberg.catalog, pyiceberg.table",
    ),
    "the query in DuckDB alone": (
        "-c",
        f'import duckdb; print(duckdb.sql("{COUNT.format(FILES)}").fetchall())',
    ),
}
TABLES: Final = "pydantic_settings, pyiceberg.table"
STORAGE: Final = "dagster._core.storage.sqlite_storage"
FLOORS: Final[Mapping[str, Sequence[str]]] = {
    "what query imports": ("-c", f"import duckdb, {TABLES}"),
    "what history imports": ("-c", f"import {TABLES}"),
    "what missing imports": ("-c", f"import dagster, ibis, {TABLES}"),
    "what update imports": ("-c", f"import dagster, ibis, {TABLES}, {STORAGE}"),
    "what doctor imports": (
        "-c",
        f"import dagster, ibis, duckdb, {TABLES}, pyiceberg.catalog.sql, {STORAGE}",
    ),
}
OURS: Final[Mapping[str, Sequence[str]]] = {
    "import of the definitions": ("-c", "import pipeline_assets.definitions"),
    "definitions, built": ("-c", "from pipeline_assets.definitions import defs; defs()"),
    "first rows by open_lake": (
        "-c",
        "import pipeline_assets as p; next(p.open_lake('lake')['music.users'].batches())",
    ),
    "--help": ("-c", CLI, "--help"),
    "query": ("-c", CLI, "query", COUNT.format("music.users")),
    "history": ("-c", CLI, "history", "music.users"),
    "missing": ("-c", CLI, "missing"),
    "doctor": ("-c", CLI, "doctor"),
    "update with nothing to do": ("-c", CLI, "update", *SELECT),
}


ROWS: Final = {**PEERS, **FLOORS, **OURS}
COUNTING: Final = (
    *("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"),
)


def environment(code: Path) -> dict[str, str]:
    """The environment of a process that runs some code."""
    # Users have the bytecode of what they have installed, or have run before. Where the environment
    # forbids to write it, each process would compile our code anew.
    env = {**os.environ, "PYTHONPATH": str(code)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


def measured(arguments: Sequence[str], folder: Path, code: Path) -> tuple[float, float]:
    """CPU seconds of a fresh Python, and its peak of memory in MiB."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(code),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def counted(arguments: Sequence[str], folder: Path, code: Path) -> float:
    """Thousands of millions of instructions that a fresh Python executes."""
    done = subprocess.run(
        [*COUNTING, sys.executable, *arguments],
        cwd=folder,
        env=environment(code),
        capture_output=True,
        text=True,
        check=True,
    )
    (told,) = re.findall(r"I\s+refs:\s+([\d,]+)", done.stderr)
    return int(told.replace(",", "")) / 1e9


def prepare(folder: Path, code: Path) -> None:
    """A lake with the listeners of the sample."""
    folder.mkdir()
    measured(("-c", CLI, "sample", "--out", "landing", "--scale", "0.1"), folder, code)
    measured(("-c", CLI, "update", *SELECT), folder, code)


def races(folder: Path, code: Path, rounds: int) -> list[list[str]]:
    """A row for each command: seconds, memory, and how often `import dagster` they take."""
    taken: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, arguments in ROWS.items():
            taken.setdefault(name, []).append(measured(arguments, folder, code))
    rows = []
    for name, found in taken.items():
        ratios = [
            own[0] / peer[0] for own, peer in zip(found, taken["import dagster"], strict=True)
        ]
        seconds, peak = (median(each[place] for each in found) for place in (0, 1))
        rows.append([name, f"{seconds:.2f}", f"{median(ratios):.2f}", f"{peak:.0f}"])
    return rows


def counts(folder: Path, code: Path, chosen: str) -> list[list[str]]:
    """A row for each command whose name holds a text: instructions, and how often the peer's."""
    names = [*list(PEERS)[:2], *(name for name in ROWS if chosen in name and name not in PEERS)]
    found = {name: counted(ROWS[name], folder, code) for name in names}
    peer = found["import dagster"]
    return [[name, f"{each:.2f}", f"{each / peer:.2f}"] for name, each in found.items()]


def main() -> None:
    """Take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--instructions", metavar="NAME", help="count them for rows named so")
    arguments = parser.parse_args()
    codes = {"now": HERE, **({"before": arguments.before} if arguments.before else {})}
    with TemporaryDirectory() as name:
        for label, code in codes.items():
            prepare(Path(name) / label, code.resolve())
        for label, code in codes.items():
            folder, header = (
                Path(name) / label,
                ["process", "CPU s", "x import dagster", "peak MiB"],
            )
            print(f"\n{label}\n")
            if arguments.instructions:
                rows = counts(folder, code.resolve(), arguments.instructions)
                header = ["process", "instructions / 10⁹", "x import dagster"]
            else:
                rows = races(folder, code.resolve(), arguments.rounds)
                header = ["process", "CPU s", "x import dagster", "peak MiB"]
            print(markdown(header, rows))


if __name__ == "__main__":
    main()
