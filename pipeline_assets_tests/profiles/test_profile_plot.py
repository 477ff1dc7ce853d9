import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline_assets.profiles.profile_plot import profile_plot


def row(day: str, rows: int, null: float) -> dict[str, object]:
    known = {"partition": day, "column_name": "score", "class_name": None, "rows": rows}
    return {**known, "share": null, "mean": 4.0, "deviation": 1.0}


def drawn(*rows: dict[str, object]) -> dict[str, list[float]]:
    """The points of each curve by its name."""
    axes = Figure().subplots()
    profile_plot("films.reviews").draw(axes, rows)
    return {
        str(line.get_label()): np.asarray(line.get_ydata(), dtype=float).tolist()
        for line in axes.lines
    }


def test_a_measure_is_drawn_relative_to_its_median() -> None:
    curves = drawn(row("1", 10, 0.1), row("2", 20, 0.1), row("3", 40, 0.2))
    assert curves["rows"] == [0.5, 1, 2]
    assert curves["score mean"] == [1, 1, 1]
    assert curves["score null"] == [1, 1, 2]


def test_a_share_that_was_always_none_is_seen_to_jump() -> None:
    curves = drawn(row("1", 10, 0), row("2", 10, 0), row("3", 10, 0.5))
    assert curves["score null"] == pytest.approx([1, 1, 1.5])


def test_what_is_nothing_everywhere_takes_no_colour() -> None:
    assert "score null" not in drawn(row("1", 10, 0), row("2", 10, 0))


@pytest.mark.parametrize(("is_ordered", "style"), [(True, "-"), (False, "None")])
def test_partitions_that_do_not_follow_one_another_are_not_joined(
    is_ordered: bool, style: str
) -> None:
    axes = Figure().subplots()
    profile_plot("t.t", is_ordered=is_ordered).draw(axes, [row("test", 1, 0), row("train", 2, 0)])
    assert {line.get_linestyle() for line in axes.lines} == {style}
