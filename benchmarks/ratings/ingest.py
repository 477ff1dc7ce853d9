"""Reading vendors' delimited files beside pandas, DuckDB and pyarrow.csv.

    python -m benchmarks.ratings.ingest --scale 10

Each contender turns a file into strings and drops them: batches where it streams, else one frame.
Ours also numbers every record, and checks and keeps the damaged ones; the files here have none, for
the others would refuse or skip them. pyarrow.csv takes a bare CR for a line end and does not number
records, so that it is a yardstick only. The contenders take
turns, each in a process of its own. Start-up of Python and imports are not counted; peak memory is
that of the whole process, and growth what a file of ten times the size adds to it.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import pandas as pd  # pyarrow would import it in the middle of a reading
from isal import igzip

from pipeline_assets.landing.delimited import RFC_4180, TSV, Columns
from pipeline_assets.landing.delimited_reader import read_delimited
from pipeline_assets.sample.music import TOP_ARTIST_COLUMNS, write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.ratings_reviews import COLUMNS


class Input(NamedTuple):
    """A file to read: its columns, and whether it is RFC 4180 rather than tab-separated."""

    path: Path
    columns: tuple[str, ...]
    quoting: bool


class Run(NamedTuple):
    """One reading: seconds on the wall and of the processors, rows found, peak memory in MiB."""

    seconds: float
    cpu_seconds: float
    rows: int
    peak_mib: float


Reader = Callable[[Input], int]
Prepare = Callable[[], Reader]


def ours() -> Reader:
    """The project's reader."""

    def read(file: Input) -> int:
        files = [(str(file.path), lambda: file.path.open("rb"))]
        dialect = RFC_4180 if file.quoting else TSV
        batches = read_delimited(files, Columns(file.columns), dialect, lambda _: None)
        return sum(batch.num_rows for batch in batches)

    return read


def with_pandas() -> Reader:
    """The C parser of pandas."""

    def read(file: Input) -> int:
        frame: Any = pd.read_csv(
            file.path,
            sep="," if file.quoting else "\t",
            quoting=csv.QUOTE_MINIMAL if file.quoting else csv.QUOTE_NONE,
            dtype=str,
            keep_default_na=False,
        )
        return len(frame)

    return read


def with_duckdb(threads: int) -> Reader:
    """DuckDB, told the dialect rather than guessing it."""
    import duckdb  # noqa: PLC0415 - only the process that measures it carries it

    connection = duckdb.connect(config={"threads": threads})

    def read(file: Input) -> int:
        quote = '"' if file.quoting else ""
        relation = connection.read_csv(
            str(file.path),
            sep="," if file.quoting else "\t",
            quotechar=quote,
            escapechar=quote,
            header=True,
            columns=dict.fromkeys(file.columns, "VARCHAR"),
            auto_detect=False,
        )
        return sum(batch.num_rows for batch in relation.to_arrow_reader(100_000))

    return read


def with_pyarrow() -> Reader:
    """pyarrow.csv on one thread, which streams."""
    import pyarrow as pa  # noqa: PLC0415 - see above
    from pyarrow import csv as arrow_csv  # noqa: PLC0415 - see above

    def read(file: Input) -> int:
        batches = arrow_csv.open_csv(
            file.path,
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=4 << 20),
            parse_options=arrow_csv.ParseOptions(
                delimiter="," if file.quoting else "\t",
                quote_char='"' if file.quoting else False,
                newlines_in_values=file.quoting,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(file.columns, pa.string())
            ),
        )
        return sum(batch.num_rows for batch in batches)

    return read


CONTENDERS: Final[dict[str, Prepare]] = {
    "ours": ours,
    "pandas": with_pandas,
    "duckdb, 1 thread": partial(with_duckdb, 1),
    "duckdb, 2 threads": partial(with_duckdb, 2),
    "pyarrow.csv, 1 thread": with_pyarrow,
}


def make_inputs(folder: Path, scale: float) -> dict[str, Input]:
    """Reviews as published, plain, and as CSV with every field quoted; and listening data."""
    write_ratings(folder, scale)
    packed = folder / "amazon_reviews/amazon_reviews_us_Digital_Video_Download_v1_00.tsv.gz"
    plain = packed.with_suffix("")
    quoted = packed.with_name("quoted.csv")
    with igzip.open(packed) as source:  # type: ignore[no-untyped-call]
        plain.write_bytes(source.read())
    with plain.open(encoding="utf-8", newline="\n") as lines, quoted.open("w", newline="") as out:
        rows = (line.rstrip("\n").split("\t") for line in lines)
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    write_music(folder, scale)
    listening = folder / "music/2026-01-01/user_top_artists.csv"
    return {
        "reviews .tsv.gz": Input(packed, COLUMNS, quoting=False),
        "reviews .tsv": Input(plain, COLUMNS, quoting=False),
        "reviews, all quoted .csv": Input(quoted, COLUMNS, quoting=True),
        "listening .csv": Input(listening, tuple(TOP_ARTIST_COLUMNS), quoting=True),
    }


def run(name: str, file: Input) -> Run:
    """Time one reading; meant for a process of its own."""
    read = CONTENDERS[name]()
    start, cpu_start = time.perf_counter(), time.process_time()
    rows = read(file)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return Run(seconds, cpu_seconds, rows, peak_memory_mib())


def peak_memory_mib() -> float:
    """Largest resident memory of this process; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def run_in_child(name: str, file: Input) -> Run:
    """Run in a new process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(run, name, file).result()


def compare(file: Input, rounds: int) -> dict[str, list[Run]]:
    """Let the contenders take turns."""
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, results in runs.items():
            results.append(run_in_child(name, file))
    return runs


def text_bytes(file: Input) -> int:
    """How much text a file holds."""
    if file.path.suffix == ".gz":
        return file.path.with_suffix("").stat().st_size
    return file.path.stat().st_size


def report(title: str, file: Input, small: Input, rounds: int) -> Iterable[str]:
    """A Markdown table of medians; ratios are taken within each round."""
    runs = compare(file, rounds)
    tenth = {name: run_in_child(name, small).peak_mib for name in CONTENDERS}
    megabytes = text_bytes(file) / 1e6
    rows = {results[0].rows for results in runs.values()}
    yield f"\n{title}: {megabytes:.0f} MB of text, {' or '.join(map(str, rows))} rows\n"
    yield "| reader | MB/s | MB per CPU s | rows/s | x pandas | peak MiB | growth MiB |"
    yield "|---|---|---|---|---|---|---|"
    for name, results in runs.items():
        pairs = zip(runs["pandas"], results, strict=True)
        ratio = median(peer.seconds / result.seconds for peer, result in pairs)
        wall = median(result.seconds for result in results)
        cpu = median(result.cpu_seconds for result in results)
        peak = max(result.peak_mib for result in results)
        speeds = f"{megabytes / wall:.0f} | {megabytes / cpu:.0f} | {results[0].rows / wall:,.0f}"
        yield f"| {name} | {speeds} | {ratio:.1f} | {peak:.0f} | {peak - tenth[name]:.0f} |"


def main() -> None:
    """Make the files at two sizes, time the contenders, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=10, help="of the sample generators")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        files = make_inputs(Path(folder) / "whole", arguments.scale)
        small = make_inputs(Path(folder) / "tenth", arguments.scale / 10)
        for title, file in files.items():
            for line in report(title, file, small[title], arguments.rounds):
                print(line, flush=True)


if __name__ == "__main__":
    main()
