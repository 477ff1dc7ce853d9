"""Extraction of a Taobao archive beside `tar xzf` and Python's tarfile, on the same disk.

    python -m benchmarks.taobao.extraction --megabytes 200

Ours also verifies, hashes and cuts what it writes; the others only write it. The contenders take
turns, each in a process of its own, so that a busy machine slows all of them and the ratio of each
round stays fair. Start-up of Python is not counted; peak memory is that of the whole process.
"""

import argparse
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from pipeline_assets.domains.taobao.archive import Extractor
from pipeline_assets.sample.taobao import write_taobao

MEMBERS: Final = ("sample_skeleton_train.csv", "common_features_train.csv")
MEGABYTES_PER_SCALE: Final = 2.24


class Run(NamedTuple):
    """One extraction: its seconds, those of all processors, its process's peak memory in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def with_ours(archive: Path, folder: Path) -> None:
    """Extract with the project's own reader."""

    def put(name: str, data: bytes) -> str:
        path = folder / name
        with path.open("wb", buffering=0) as file:
            file.write(data)
        return str(path)

    with archive.open("rb") as file:
        Extractor(put).extract(file, str(archive), MEMBERS)


def with_tarfile(archive: Path, folder: Path) -> None:
    """Extract with Python's standard library."""
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")


def with_tar(archive: Path, folder: Path) -> None:
    """Extract with GNU tar and gzip."""
    subprocess.run(["tar", "xzf", archive, "-C", folder], check=True)


CONTENDERS: Final[dict[str, Callable[[Path, Path], None]]] = {
    "ours": with_ours,
    "tar xzf": with_tar,
    "tarfile": with_tarfile,
}


def make_archive(folder: Path, megabytes: int) -> Path:
    """An archive of about so many megabytes of text, packed by `tar czf` as vendors do."""
    write_taobao(folder, scale=megabytes / MEGABYTES_PER_SCALE)
    sample = folder / "taobao/taobao_train.tar.gz"
    subprocess.run(["tar", "xzf", sample, "-C", folder], check=True)
    archive = folder / "taobao_train.tar.gz"
    subprocess.run(["tar", "czf", archive, "-C", folder, *MEMBERS], check=True)
    return archive


def run(name: str, archive: Path, folder: Path) -> Run:
    """Time one extraction; meant for a process of its own."""
    start, cpu_start = time.perf_counter(), cpu_seconds()
    CONTENDERS[name](archive, folder)
    return Run(time.perf_counter() - start, cpu_seconds() - cpu_start, peak_memory_mib())


def cpu_seconds() -> float:
    """Processor time of this process, its threads and the processes it waited for."""
    return sum(os.times()[:4])


def peak_memory_mib() -> float:
    """Largest resident memory of this process; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def run_in_child(name: str, archive: Path, folder: Path) -> Run:
    """Run in a new process, into an empty folder, with nothing left to write from before."""
    folder.mkdir()
    os.sync()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        result = pool.submit(run, name, archive, folder).result()
    shutil.rmtree(folder)
    return result


def compare(archive: Path, rounds: int) -> dict[str, list[Run]]:
    """Let the contenders take turns."""
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, results in runs.items():
            results.append(run_in_child(name, archive, archive.parent / "extracted"))
    return runs


def report(runs: dict[str, list[Run]], megabytes: float) -> str:
    """A Markdown table of medians; a ratio is taken within each round."""
    lines = [
        "| extraction | MB/s | x tar xzf | CPU s per GB | peak MiB |",
        "|---|---|---|---|---|",
    ]
    for name, results in runs.items():
        speed = median(megabytes / result.seconds for result in results)
        pairs = zip(runs["tar xzf"], results, strict=True)
        ratio = median(tar.seconds / result.seconds for tar, result in pairs)
        # The process of tar is not ours to look into, only the one that waits for it.
        peak = "" if name == "tar xzf" else f"{max(result.peak_mib for result in results):.0f}"
        cpu = median(result.cpu_seconds for result in results) / megabytes * 1000
        lines.append(f"| {name} | {speed:.0f} | {ratio:.2f} | {cpu:.1f} | {peak} |")
    return "\n".join(lines)


def main() -> None:
    """Make the archive, time the contenders, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="text in the archive")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; the disk is part of the test")
    arguments = parser.parse_args()
    with TemporaryDirectory(dir=arguments.folder) as folder:
        archive = make_archive(Path(folder), arguments.megabytes)
        megabytes = sum((Path(folder) / member).stat().st_size for member in MEMBERS) / 1e6
        print(f"{megabytes:.0f} MB of text in {archive.stat().st_size / 1e6:.0f} MB\n")
        print(report(compare(archive, arguments.rounds), megabytes))


if __name__ == "__main__":
    main()
