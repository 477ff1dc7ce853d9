"""A picture of how a table's partitions look beside each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import ibis.expr.types as ir

from pipeline_assets.dataset.plots import Plot, Rows
from pipeline_assets.profiles.profiles import PARTITION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVES: Final = 10
"""As many as matplotlib has colours."""


def profile_plot(title: str) -> Plot:
    """Draws what :func:`pipeline_assets.profiles.profiles.history_of` finds.

    Every measure over the partitions, relative to its median: what is as it was is a line at 1. A
    share whose median is 0 has no such ratio; it is added to 1, unless it is 0 everywhere.
    """
    return Plot(title, _as_it_is, _draw(title))


def _as_it_is(profiles: ir.Table) -> ir.Table:
    return profiles


def _draw(title: str) -> "Callable[[Axes, Rows], None]":
    def draw(axes: "Axes", rows: Rows) -> None:
        partitions = list(dict.fromkeys(str(row[PARTITION]) for row in rows))
        curves = {name: _relative(values) for name, values in _curves(rows).items()}
        drawn = {name: values for name, values in curves.items() if values}
        for name, values in list(drawn.items())[:_CURVES]:
            places = [partitions.index(key) for key in values]
            axes.plot(places, list(values.values()), marker=".", alpha=0.8, label=name)
        _name_places(axes, partitions)
        axes.set_title(f"{title}, relative to the median")
        if rows:
            axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))

    return draw


def _name_places(axes: "Axes", partitions: Sequence[str]) -> None:
    """Names of some partitions, aslant so that long ones do not run into each other."""
    shown = range(0, len(partitions), max(1, len(partitions) // 8))
    names = [partitions[place] for place in shown]
    axes.set_xticks(list(shown), names, rotation=30, ha="right", rotation_mode="anchor")


def _relative(values: Mapping[str, float]) -> dict[str, float]:
    """Each value by its partition as a multiple of the median."""
    usual = median(values.values())
    if usual:
        return {key: value / usual for key, value in values.items()}
    return {key: 1 + value for key, value in values.items()} if any(values.values()) else {}


def _curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Values by partition, of each measure."""
    curves: dict[str, dict[str, float]] = {}
    for row in rows:
        for name, value in _measures(row):
            if value is not None:
                curves.setdefault(name, {})[str(row[PARTITION])] = float(value)
    return curves


def _measures(row: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    column, class_name = row["column_name"], row["class_name"]
    yield "rows", row["rows"]
    if class_name is None:
        yield f"{column} mean", row["mean"]
        yield f"{column} null", row["share"]
    else:
        yield f"{column} is {class_name}", row["share"]
