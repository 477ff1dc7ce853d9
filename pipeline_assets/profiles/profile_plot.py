"""The plot of a table's profiles: how its partitions differ from one another."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from pipeline_assets.dataset.plots import Plot, Rows
from pipeline_assets.profiles.profiles import PARTITION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVES: Final = 10
"""matplotlib has so many colours."""


def profile_plot(title: str, *, is_ordered: bool = True) -> Plot:
    """The plot of what :func:`pipeline_assets.profiles.profiles.history_of` returns.

    It draws every measure over the partitions, relative to its median: an unchanged measure is a
    line at 1. A share whose median is 0 has no such ratio: it is added to 1, unless it is 0
    everywhere. Partitions that do not follow one another, such as train and test, are points
    without a line between them.
    """
    return Plot(title, lambda profiles: profiles, _draw(title, "-" if is_ordered else "none"))


def _draw(title: str, line: str) -> "Callable[[Axes, Rows], None]":
    def draw(axes: "Axes", rows: Rows) -> None:
        partitions = list(dict.fromkeys(str(row[PARTITION]) for row in rows))
        curves = {name: _relative(values) for name, values in _curves(rows).items()}
        drawn = {name: values for name, values in curves.items() if values}
        for name, values in list(drawn.items())[:_CURVES]:
            places = [partitions.index(key) for key in values]
            heights = list(values.values())
            axes.plot(places, heights, marker=".", linestyle=line, alpha=0.8, label=name)
        _label_partitions(axes, partitions)
        axes.set_title(f"{title}, relative to the median")
        if rows:
            axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))

    return draw


def _label_partitions(axes: "Axes", partitions: Sequence[str]) -> None:
    """Name some of the partitions, aslant so that long names do not overlap."""
    shown = range(0, len(partitions), max(1, len(partitions) // 8))
    names = [partitions[place] for place in shown]
    axes.set_xticks(list(shown), names, rotation=30, ha="right", rotation_mode="anchor")


def _relative(values: Mapping[str, float]) -> dict[str, float]:
    """Each value as a multiple of the median, by partition."""
    usual = median(values.values())
    if usual:
        return {key: value / usual for key, value in values.items()}
    return {key: 1 + value for key, value in values.items()} if any(values.values()) else {}


def _curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """For each measure its values by partition."""
    curves: dict[str, dict[str, float]] = {}
    for row in rows:
        column, class_name = row["column_name"], row["class_name"]
        measures = {"rows": row["rows"]}
        if class_name is None:
            measures |= {f"{column} mean": row["mean"], f"{column} null": row["share"]}
        else:
            measures[f"{column} is {class_name}"] = row["share"]
        for name, value in measures.items():
            if value is not None:
                curves.setdefault(name, {})[str(row[PARTITION])] = float(value)
    return curves
