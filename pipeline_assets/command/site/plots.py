"""Draws the figures of the benchmarks' pages as bars, above the tables that they stand in."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Final

DRAWN: Final = {
    "x best peer": "times as long as the fastest; shorter is better",
    "x tar xzf": "times as fast as tar; longer is better",
    "x import dagster": "CPU time, times that of importing dagster; shorter is better",
    "requests/s": "requests a second; longer is better",
    "rows/s": "rows a second; longer is better",
    "impressions per CPU second": "impressions a second of CPU; longer is better",
    "ours / by hand": "ours, times the time of hand-written Spark; shorter is better",
}
"""Columns that are drawn, and what their bars say."""
_LABEL: Final = 330
_BAR: Final = 300
_ROW: Final = 20


def with_plots(text: str) -> str:
    """A page with bars above each table that has a column to draw."""
    return "\n".join(_drawn(text.splitlines()))


def _drawn(lines: Sequence[str]) -> Iterator[str]:
    for is_table, group in groupby(lines, key=lambda line: line.startswith("|")):
        block = list(group)
        if is_table:
            yield from _plot(block)
        yield from block


def _plot(block: Sequence[str]) -> Iterator[str]:
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block)
    column = next((name for name in DRAWN if name in header), None)
    if column is None:
        return
    place = header.index(column)
    first = next(n for n, cell in enumerate(rows[0]) if _number(cell) is not None)
    values = [(", ".join(row[:first]), _number(row[place])) for row in rows]
    bars = [(label, value) for label, value in values if value is not None]
    yield from (bars_of(DRAWN[column], bars), "")


def _number(cell: str) -> float | None:
    plain = cell.replace(",", "").replace("*", "")
    return float(plain) if re.fullmatch(r"\d+(\.\d+)?", plain) else None


def bars_of(title: str, bars: Sequence[tuple[str, float]]) -> str:
    """A chart of horizontal bars; what is ours has a colour of its own."""
    most = max(value for _, value in bars)
    width, height = _LABEL + _BAR + 90, 26 + _ROW * len(bars)
    parts = [
        f'<div class="wide"><svg class="bars" viewBox="0 0 {width} {height}" width="{width}">',
        f'<text class="title" x="0" y="14">{escape(title)}</text>',
    ]
    for number, (label, value) in enumerate(bars):
        y, length = 24 + _ROW * number, max(1, round(_BAR * value / most))
        kind = "ours" if "ours" in label or "project" in label else "other"
        plain = escape(label.replace("`", "").replace("*", ""))
        parts += [
            f'<text class="label" x="{_LABEL - 8}" y="{y + 13}">{plain}</text>',
            f'<rect class="{kind}" x="{_LABEL}" y="{y}" width="{length}" height="{_ROW - 5}"/>',
            f'<text x="{_LABEL + length + 6}" y="{y + 13}">{value:,g}</text>',
        ]
    return "".join([*parts, "</svg></div>"])
