"""Pictures for an asset's page, drawn from a small query over what was just written."""

import base64
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import ibis.expr.types as ir

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Plot:
    """A picture.

    Attributes:
        name: Also its metadata key.
        table: From the asset's table, and the inputs named by ``inputs``, to the few rows drawn.
        draw: Draws those rows.
        inputs: Names of the asset's inputs it looks at besides the asset's table.
    """

    name: str
    table: Callable[..., ir.Table]
    draw: "Callable[[Axes, Rows], None]"
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A few lines of Markdown; otherwise like a :class:`Plot`."""

    name: str
    table: Callable[..., ir.Table]
    write: Callable[[Rows], str]
    inputs: tuple[str, ...] = ()


def markdown(plot: Plot | Text, rows: Rows) -> str:
    """The text, or the picture as Markdown with the PNG inside."""
    if isinstance(plot, Text):
        return plot.write(rows)
    encoded = base64.b64encode(png(plot, rows)).decode()
    return f"![{plot.name}](data:image/png;base64,{encoded})"


def png(plot: Plot, rows: Rows) -> bytes:
    """The picture as a PNG, 640 by 320 points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=80, layout="constrained")
    axes = figure.subplots()
    plot.draw(axes, rows)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the machine has no font for is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def bars(
    category: str, value: str, *, label: str, horizontal: bool = False
) -> "Callable[[Axes, Rows], None]":
    """Draw one bar for each row."""

    def draw(axes: "Axes", rows: Rows) -> None:
        names = [str(row[category]) for row in rows]
        heights = [float(row[value] or 0) for row in rows]
        if horizontal:
            axes.barh(names[::-1], heights[::-1])
            axes.set_xlabel(label)
        else:
            axes.bar(names, heights)
            axes.set_ylabel(label)

    return draw


def grouped_bars(
    category: str, series: str, value: str, *, label: str
) -> "Callable[[Axes, Rows], None]":
    """Draw one group of bars for each category, with a bar for each series beside its likes."""

    def draw(axes: "Axes", rows: Rows) -> None:
        categories = list(dict.fromkeys(str(row[category]) for row in rows))
        names = list(dict.fromkeys(str(row[series]) for row in rows))
        width = 0.8 / max(1, len(names))
        for place, name in enumerate(names):
            own = [row for row in rows if str(row[series]) == name]
            at = [categories.index(str(row[category])) + place * width for row in own]
            axes.bar(at, [float(row[value] or 0) for row in own], width, label=name)
        middle = width * (len(names) - 1) / 2
        axes.set_xticks([place + middle for place in range(len(categories))], categories)
        axes.set_ylabel(label)
        if names:
            axes.legend()

    return draw
