"""Payments out of and into Postgres beside pandas and psycopg's COPY, on an embedded server.

    python -m benchmarks.rentals.postgres --rows 1000000

Out: a table to a Parquet file. In: that file to a table, replacing one partition; ours also makes
the table, checks every row's partition and commits delete and rows together. pandas turns amounts
into floats on the way out, the others keep them exact. The contenders take turns, each in a process
of its own; start-up of Python and its imports are not counted, peak memory is that of the process.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_assets.command.postgres_server import ensure_database, throwaway_postgres
from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.postgres.read import snapshot, stream
from pipeline_assets.warehouses.postgres import POSTGRES, PostgresWarehouse
from pipeline_assets.warehouses.table import WarehouseTable

DAY: Final = date(2024, 1, 1)
COLUMNS: Final = pa.schema(
    [
        ("payment_id", pa.int64()),
        ("customer_id", pa.int32()),
        ("rental_id", pa.int32()),
        ("amount", pa.decimal128(18, 5)),
        ("purchased_at", pa.timestamp("us")),
        ("title", pa.string()),
        ("insert_date", pa.date32()),
    ]
)
QUERY: Final = f"SELECT {', '.join(COLUMNS.names)} FROM payment_{{rows}}"
MAKE: Final = """
    CREATE TABLE payment_{rows} AS
    SELECT n AS payment_id, (n * 7919 % 600)::int AS customer_id, n::int AS rental_id,
           (n % 1199 / 100.0)::numeric(18, 5) AS amount,
           timestamp '2024-01-01' + n * interval '1 second' AS purchased_at,
           'Crimson Harbour ' || n % 1000 AS title, date '2024-01-01' AS insert_date
    FROM generate_series(1::bigint, {rows}) AS n"""
Task = Callable[[SecretDsn, Path, int], None]


class Run(NamedTuple):
    """One run: its seconds, and the peak memory of its process in MiB, before and after."""

    seconds: float
    before_mib: float
    peak_mib: float


def target(name: str) -> WarehouseTable:
    """The table a contender loads."""
    return WarehouseTable("public", f"loaded_by_{name}", COLUMNS, "insert_date")


def out_ours(dsn: SecretDsn, file: Path, rows: int) -> None:
    """Stream Arrow batches to Parquet."""
    with snapshot(dsn) as source, pq.ParquetWriter(file, COLUMNS) as writer:
        for batch in source.read(QUERY.format(rows=rows), schema=COLUMNS):
            writer.write_batch(batch)


def out_pandas(dsn: SecretDsn, file: Path, rows: int) -> None:
    """`read_sql`, then `to_parquet`."""
    import pandas as pd  # noqa: PLC0415 - only the process that measures it carries it

    with engine(dsn).connect() as connection:
        pd.read_sql(QUERY.format(rows=rows), connection).to_parquet(file)


def out_psycopg(dsn: SecretDsn, file: Path, rows: int) -> None:
    """COPY to a CSV file, which Arrow reads."""
    import psycopg  # noqa: PLC0415 - only the process that measures it carries it
    from pyarrow import csv  # noqa: PLC0415

    text = file.with_suffix(".csv")
    query = f"COPY ({QUERY.format(rows=rows)}) TO STDOUT (FORMAT csv, HEADER)"
    with (
        psycopg.connect(keyword_dsn(dsn.options)) as connection,
        connection.cursor().copy(query.encode()) as copy,
        text.open("wb") as written,
    ):
        for block in copy:
            written.write(block)
    types = csv.ConvertOptions(column_types=COLUMNS)
    with pq.ParquetWriter(file, COLUMNS) as writer:
        for batch in csv.open_csv(text, convert_options=types):
            writer.write_batch(batch)


def in_ours(dsn: SecretDsn, file: Path, rows: int) -> None:
    """Replace the partition from Parquet batches."""
    staged = PostgresWarehouse(dsn).stage(target("ours"), [DAY], parquet_batches(file), "")
    staged.commit()
    assert staged.rows == {DAY: rows}


def in_pandas(dsn: SecretDsn, file: Path, rows: int) -> None:
    """`read_parquet`, then `to_sql`; rows by the ten thousand, which was its fastest."""
    import pandas as pd  # noqa: PLC0415

    frame = pd.read_parquet(file)
    assert len(frame) == rows
    with engine(dsn).begin() as connection:
        frame.to_sql(
            "loaded_by_pandas", connection, if_exists="replace", index=False, chunksize=10_000
        )


def in_psycopg(dsn: SecretDsn, file: Path, rows: int) -> None:
    """Arrow writes CSV, which COPY takes."""
    import psycopg  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    text = file.with_suffix(".in.csv")
    with csv.CSVWriter(text, COLUMNS) as writer:
        for batch in parquet_batches(file):
            writer.write_batch(batch)
    copy_in = "COPY loaded_by_psycopg FROM STDIN (FORMAT csv, HEADER)"
    with psycopg.connect(keyword_dsn(dsn.options)) as connection, connection.cursor() as cursor:
        cursor.execute(b"DELETE FROM loaded_by_psycopg WHERE insert_date = DATE '2024-01-01'")
        with cursor.copy(copy_in.encode()) as copy, text.open("rb") as source:
            while block := source.read(1 << 20):
                copy.write(block)
        assert cursor.rowcount == rows


def parquet_batches(file: Path) -> Iterator[pa.RecordBatch]:
    """A file's rows; Arrow's read-ahead would hold all of it in memory."""
    batches: Iterator[pa.RecordBatch] = pq.ParquetFile(file, pre_buffer=False).iter_batches(50_000)
    return batches


TASKS: Final[dict[str, dict[str, Task]]] = {
    "out": {"ours": out_ours, "pandas": out_pandas, "psycopg": out_psycopg},
    "in": {"ours": in_ours, "pandas": in_pandas, "psycopg": in_psycopg},
}


def engine(dsn: SecretDsn):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """SQLAlchemy's way in, which pandas needs."""
    import psycopg  # noqa: PLC0415
    import sqlalchemy  # noqa: PLC0415

    words = keyword_dsn(dsn.options)
    return sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(words))


def measure(way: str, name: str, dsn: SecretDsn, file: Path, rows: int) -> Run:
    """Time one task in this process, which is a new one; imports come first."""
    if name == "pandas":
        import pandas as pd  # noqa: PLC0415, F401
        import sqlalchemy  # noqa: PLC0415, F401
    before, start = peak_memory_mib(), time.perf_counter()
    TASKS[way][name](dsn, file, rows)
    return Run(time.perf_counter() - start, before, peak_memory_mib())


def peak_memory_mib() -> float:
    """Largest resident memory of this process; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def in_child(way: str, name: str, dsn: SecretDsn, file: Path, rows: int) -> Run:
    """Measure in a new process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, way, name, dsn, file, rows).result()


def prepare(dsn: SecretDsn, folder: Path, rows: int) -> Path:
    """Make the table to read, the tables to load, and the file to load from."""
    types = ", ".join(
        f"{name} {kind}" for name, kind in POSTGRES.sql_types(target("psycopg")).items()
    )
    with closing(connect(dsn, autocommit=True)) as connection:
        execute(connection, dsn, MAKE.format(rows=rows))
        execute(connection, dsn, f"CREATE TABLE IF NOT EXISTS loaded_by_psycopg ({types})")
        execute(connection, dsn, "CREATE INDEX ON loaded_by_psycopg (insert_date)")
    file = folder / f"source_{rows}.parquet"
    out_ours(dsn, file, rows)
    return file


def compare(
    dsn: SecretDsn, folder: Path, source: Path, rows: int, rounds: int
) -> dict[str, dict[str, list[Run]]]:
    """Let the contenders take turns."""
    runs: dict[str, dict[str, list[Run]]] = {
        way: {name: [] for name in tasks} for way, tasks in TASKS.items()
    }
    for _ in range(rounds):
        for way, results in runs.items():
            for name in results:
                file = source if way == "in" else folder / f"{name}.parquet"
                results[name].append(in_child(way, name, dsn, file, rows))
    return runs


def check(dsn: SecretDsn, folder: Path, rows: int) -> None:
    """All contenders moved the same payments."""
    amounts = [
        sum(pq.read_table(folder / f"{name}.parquet")["amount"].to_pylist())
        for name in ("ours", "psycopg")
    ]
    assert amounts[0] == amounts[1]
    for name in TASKS["in"]:
        counted = stream(dsn, f"SELECT count(*) AS rows FROM {target(name).sql_name}")
        assert [row for batch in counted for row in batch.to_pylist()] == [{"rows": rows}], name


def report(way: str, runs: dict[str, list[Run]], rows: int) -> str:
    """A Markdown table of medians; a ratio is taken within each round."""
    title = {"out": "Postgres to Parquet", "in": "Parquet to Postgres"}[way]
    lines = [
        f"| {title} | rows/s | seconds | ours is faster by | peak MiB | over imports |",
        "|---|---|---|---|---|---|",
    ]
    for name, results in runs.items():
        seconds = median(run.seconds for run in results)
        pairs = zip(results, runs["ours"], strict=True)
        ratio = median(run.seconds / ours.seconds for run, ours in pairs)
        peak = max(run.peak_mib for run in results)
        over = max(run.peak_mib - run.before_mib for run in results)
        speed = f"{rows / seconds:,.0f} | {seconds:.2f} | {ratio:.1f} x"
        lines.append(f"| {name} | {speed} | {peak:.0f} | {over:.0f} |")
    return "\n".join(lines)


def growth(dsn: SecretDsn, folder: Path, rows: int) -> str:
    """Our peak memory at a tenth of the rows and at all of them."""
    lines = []
    for way in TASKS:
        peaks = []
        for count in (rows // 10, rows):
            source = folder / f"source_{count}.parquet"
            file = source if way == "in" else folder / "growth.parquet"
            peaks.append(in_child(way, "ours", dsn, file, count).peak_mib)
        lines.append(
            f"{way}: {peaks[0]:.0f} MiB at {rows // 10:,} rows, {peaks[1]:.0f} MiB at {rows:,}"
        )
    return "\n".join(lines)


def main() -> None:
    """Start a server, make the payments, time the contenders, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="payments")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name, throwaway_postgres({}) as server:
        folder, dsn = Path(name), ensure_database(server, "benchmark")
        prepare(dsn, folder, arguments.rows // 10)
        source = prepare(dsn, folder, arguments.rows)
        runs = compare(dsn, folder, source, arguments.rows, arguments.rounds)
        check(dsn, folder, arguments.rows)
        for way, results in runs.items():
            print(report(way, results, arguments.rows), end="\n\n")
        print(growth(dsn, folder, arguments.rows))


if __name__ == "__main__":
    main()
