"""What the command line shows: progress, what an update has changed, the answers of queries."""

import csv
import json
import sys
from collections.abc import Sequence
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from pipeline_assets.dataset.values.table import WHOLE_TABLE
from pipeline_assets.dataset.values.texts import first_and_last

if TYPE_CHECKING:
    from pipeline_assets.command.runs import Outcome
    from pipeline_assets.command.session import Session
    from pipeline_assets.iceberg.query import Answer

Format: TypeAlias = Literal["table", "csv", "json"]
TABLE_ROWS: Final = 1000


class ProgressBars:
    """Progress on standard error: a line for whatever is published, and bars in a terminal.

    One bar counts published tables; there is one more for each source, of the bytes read from it.
    Where standard error is no terminal there are only the lines, each of them whole.
    """

    def __init__(self, tables: int, landing_uri: str) -> None:
        self._tables = tables
        self._landing = f"{landing_uri}/"
        self._done = 0
        self._totals: dict[str, dict[str, int]] = {}
        self._tasks: dict[str, TaskID] = {}
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[amount]}", table_column=Column(no_wrap=True)),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
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
        source = what.removeprefix(self._landing).partition("/")[0]
        if source not in self._tasks:
            self._tasks[source] = self._bars.add_task(source, total=None, amount="")
        totals = self._totals.setdefault(source, {})
        totals[what] = total or 0
        task, whole = self._tasks[source], sum(totals.values())
        self._bars.update(task, advance=amount, total=whole or None)
        (found,) = (each for each in self._bars.tasks if each.id == task)
        read = decimal(int(found.completed))
        self._bars.update(task, amount=f"{read} of {decimal(whole)}" if whole else read)

    def published(self, table: str, rows: int) -> None:
        """See :class:`pipeline_assets.dataset.values.progress.Progress`."""
        self._done += 1
        self._bars.update(self._all, advance=1, amount=f"{self._done}/{self._tables}")
        line = f"published {table}: {rows:,} rows"
        self._bars.console.print(line, highlight=False, markup=False, soft_wrap=True)


def changes(session: "Session", outcomes: "Sequence[Outcome]") -> str:
    """What runs have changed: each table with what was published of it, and the rows of that."""
    published: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        for asset in outcome.batch.assets:
            if asset.key in outcome.materialised:
                records = session.deployment.lake.records(asset.table)
                rows = {key: records[key].rows for key in outcome.batch.keys or (WHOLE_TABLE,)}
                published.setdefault(str(asset.table), {}).update(rows)
    lines = [f"Published in {session.settings.lake_uri}:"]
    for table, rows in sorted(published.items()):
        where = f" in {first_and_last(sorted(rows))}" if any(rows) else ""
        lines.append(f"  {table:<36} {sum(rows.values()):>12,} rows{where}")
    return "\n".join(lines)


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
