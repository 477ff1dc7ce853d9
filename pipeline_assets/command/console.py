"""What the command line shows: progress bars, and the answers of queries."""

import csv
import json
import sys
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from pipeline_assets.iceberg.query import Answer


Format: TypeAlias = Literal["table", "csv", "json"]
TABLE_ROWS: Final = 1000


class ProgressBars:
    """Bars on standard error: one counts published tables, the others the bytes of input read."""

    def __init__(self, tables: int) -> None:
        self._tables = tables
        self._done = 0
        self._read: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> "ProgressBars":
        self._bars.start()
        self._all = self._bars.add_task("tables", total=self._tables, amount=f"0/{self._tables}")
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def advance(self, what: str, amount: int, total: int | None) -> None:
        """See :class:`pipeline_assets.dataset.values.progress.Progress`."""
        if what not in self._tasks:
            name = what.rpartition("/")[2]
            self._tasks[what] = self._bars.add_task(name, total=total, amount="")
        done = self._read[what] = self._read.get(what, 0) + amount
        of_total = f"{decimal(done)} of {decimal(total)}" if total else decimal(done)
        self._bars.update(self._tasks[what], advance=amount, amount=of_total)

    def published(self, table: str, rows: int) -> None:
        """See :class:`pipeline_assets.dataset.values.progress.Progress`."""
        self._done += 1
        self._bars.update(self._all, advance=1, amount=f"{self._done}/{self._tables}")
        self._bars.console.print(f"published {table}: {rows:,} rows", highlight=False)


def show(answer: "Answer", format_: Format) -> None:
    """Write an answer to standard output, numbers at full precision."""
    {"table": _show_table, "csv": _show_csv, "json": _show_json}[format_](answer)


def _show_table(answer: "Answer") -> None:
    table = Table(*answer.columns)
    for row in islice(answer.rows, TABLE_ROWS):
        table.add_row(*("" if value is None else str(value) for value in row))
    console = Console()
    console.print(table, highlight=False, markup=False)
    # Rows stream, so that only asking for one more shows whether any were left out.
    if next(answer.rows, None) is not None:
        console.print(f"… only the first {TABLE_ROWS:,} rows; use --format csv for all of them")


def _show_csv(answer: "Answer") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)


def _show_json(answer: "Answer") -> None:
    # Written row by row, because an answer may be larger than memory.
    separator = "[\n"
    for row in answer.rows:
        record = dict(zip(answer.columns, row, strict=True))
        sys.stdout.write(separator + json.dumps(record, default=str, ensure_ascii=False))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")
