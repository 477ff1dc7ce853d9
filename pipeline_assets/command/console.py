"""What the command line shows: progress, what an update has changed, the answers of queries."""

import json
import math
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import chain, count, islice
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rich.console import Console
from rich.filesize import decimal
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from pipeline_assets.dataset.values.table import WHOLE_TABLE
from pipeline_assets.dataset.values.texts import first_and_last, printable

if TYPE_CHECKING:
    from pipeline_assets.command.runs import Outcome
    from pipeline_assets.command.session import Session
    from pipeline_assets.reading.query import Answer, Row

Format: TypeAlias = Literal["table", "csv", "json"]
_NEEDS_NO_QUOTES: Final = re.compile(r'[^",\r\n]+')
_NOT_IN_JSON: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


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
                keys = outcome.batch.keys or (WHOLE_TABLE,)
                # Of a stream's batches, which may be many, only the newest are kept.
                rows = {key: records[key].rows for key in keys if key in records}
                published.setdefault(str(asset.table), {}).update(rows)
    lines = [f"Published in {session.settings.lake_uri}:"]
    for table, rows in sorted(published.items()):
        where = f" in {first_and_last(sorted(rows))}" if any(rows) else ""
        lines.append(f"  {table:<36} {sum(rows.values()):>12,} rows{where}")
    return "\n".join(lines)


def show(answer: "Answer", format_: Format, limit: int | None = None) -> bool:
    """Write an answer to standard output, numbers at full precision.

    Control characters in values, which a terminal would obey, reach none: a table shows them as
    escapes, JSON writes them as escapes, and CSV writes them as they are only where standard output
    is no terminal.

    Args:
        answer: The rows.
        format_: How they are written.
        limit: The most rows that are written; None for all of them.

    Returns:
        Whether rows were left out.
    """
    write = {"table": _show_table, "csv": _show_csv, "json": _show_json}[format_]
    write(answer.columns, islice(answer.rows, limit))
    # Rows stream, so that only asking for one more shows whether any were left out.
    return limit is not None and next(answer.rows, None) is not None


def _show_table(columns: Sequence[str], rows: "Iterable[Row]") -> None:
    """Write a table, or one record after the other where its columns do not fit."""
    console = Console()
    table = Table(*(Column(Text(printable(name)), no_wrap=True) for name in columns))
    texts = [[printable(_text(value) or "") for value in row] for row in rows]
    for row in texts:
        table.add_row(*map(Text, row))
    unbounded = console.options.update(max_width=sys.maxsize)
    width = Measurement.get(console, unbounded, table).maximum
    if console.is_terminal and width > console.width:
        _show_records(columns, texts)
    else:
        # A pipe has no width at which something would have to be cut off.
        Console(width=width).print(table, highlight=False, markup=False)


def _show_records(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    names = [printable(name) for name in columns]
    width = max(map(len, names), default=0)
    for number, row in enumerate(rows, 1):
        sys.stdout.write(f"-- row {number}\n")
        for name, text in zip(names, row, strict=True):
            sys.stdout.write(f"{name:<{width}}  {text}\n")


def _show_csv(columns: Sequence[str], rows: "Iterable[Row]") -> None:
    """Write as Postgres does: a null is an empty field, and an empty text is ``""``."""
    clean = printable if sys.stdout.isatty() else str
    for row in chain([columns], rows):
        sys.stdout.write(clean(",".join(map(_csv_field, row))) + "\n")


def _csv_field(value: object) -> str:
    text = _text(value)
    if text is None:
        return ""
    return text if _NEEDS_NO_QUOTES.fullmatch(text) else '"' + text.replace('"', '""') + '"'


def _text(value: object) -> str | None:
    """A value as text: what is nested as JSON, truth as SQL and JSON write it."""
    if isinstance(value, bool | list | dict):
        return _json(value)
    return None if value is None else str(value)


def _show_json(columns: Sequence[str], rows: "Iterable[Row]") -> None:
    # Written row by row, because an answer may be larger than memory.
    names = different(columns)
    separator = "[\n"
    for row in rows:
        sys.stdout.write(separator + _json(dict(zip(names, row, strict=True))))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def different(names: Iterable[str]) -> list[str]:
    """Names of which none occurs twice, for a JSON object would keep only the last of them.

    >>> different(["n", "n", "n_2", "n"])
    ['n', 'n_2', 'n_2_2', 'n_3']
    """
    found: list[str] = []
    for name in names:
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        found.append(next(each for each in candidates if each not in found))
    return found


def _json(value: object) -> str:
    text = json.dumps(_storable(value), default=str, ensure_ascii=False, allow_nan=False)
    # Within JSON such a character can only stand in a text, where an escape means the same.
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _storable(value: object) -> object:
    """A value without what JSON has no word for: NaN and infinities become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _storable(each) for key, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list | tuple) else value
