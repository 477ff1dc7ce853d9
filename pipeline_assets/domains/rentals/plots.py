"""Pictures on the rentals assets' pages."""

import json
from typing import TYPE_CHECKING, Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np

from pipeline_assets.dataset.plots import Plot, Rows, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASSES: Final = ("negative", "neutral", "positive")
MOST_SPENT: Final = 50
MOST_RENTALS: Final = 60


def _latest_report(sentiment_model: ir.Table) -> ir.Table:
    return sentiment_model.select("report", "accuracy", "macro_f1", "calibration_error", "origin")


def _report(rows: Rows) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rows[0]["report"])
    return found


def _draw_confusion(axes: "Axes", rows: Rows) -> None:
    """True classes down, predicted ones across, coloured by share of the true class."""
    counts = np.array(_report(rows)["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true", title="Held-out reviews")
    axes.set_xticks(range(3), CLASSES)
    axes.set_yticks(range(3), CLASSES)
    for true, predicted in np.ndindex(3, 3):
        share = shares[true, predicted]
        text = f"{counts[true, predicted]}\n{share:.0%}"
        colour = "white" if share > 0.5 else "black"
        axes.text(predicted, true, text, ha="center", va="center", color=colour)


def _write_report(rows: Rows) -> str:
    """A line for each class, then what holds for all of them."""
    lines = [
        "| {name} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {support} |".format(**each)
        for each in _report(rows)["classes"]
    ]
    overall = (
        "accuracy {accuracy:.3f}, macro-F1 {macro_f1:.3f}, calibration error "
        "{calibration_error:.3f}; learnt from {origin}"
    ).format(**rows[0])
    header = ["| class | precision | recall | F1 | support |", "|---|---|---|---|---|"]
    return "\n".join([*header, *lines, "", overall])


def _spending(user_behavior_metric: ir.Table) -> ir.Table:
    """How many customers spent how much, in whole units; the last bar holds all above."""
    spent = ibis.least(user_behavior_metric.amount_spent.floor(), MOST_SPENT)
    bought = user_behavior_metric.mutate(spent=spent.cast("int32")).filter(
        ibis._.purchase_count > 0
    )
    return bought.group_by("spent").aggregate(customers=bought.count()).order_by("spent")


def _draw_spending(axes: "Axes", rows: Rows) -> None:
    axes.bar([row["spent"] for row in rows], [row["customers"] for row in rows], align="edge")
    axes.set(xlabel=f"spent in a window; {MOST_SPENT} and more in the last bar", ylabel="customers")


def _by_activity(viewing_similarity: ir.Table) -> ir.Table:
    """Mean similarity of the customers with as many rentals, at the last window there is."""
    last = viewing_similarity.insert_date == viewing_similarity.insert_date.max()
    now = viewing_similarity.filter(last & viewing_similarity.consecutive_similarity.notnull())
    capped = now.mutate(rentals=ibis.least(now.rental_count, MOST_RENTALS))
    means = capped.group_by("rentals").aggregate(
        similarity=capped.consecutive_similarity.mean(), customers=capped.count()
    )
    return means.order_by("rentals")


def _draw_activity(axes: "Axes", rows: Rows) -> None:
    sizes = [10 + 2 * row["customers"] for row in rows]
    axes.scatter([r["rentals"] for r in rows], [r["similarity"] for r in rows], s=sizes, alpha=0.6)
    axes.set(
        title="Customers with as many rentals; the larger the dot, the more of them",
        xlabel=f"films rented; {MOST_RENTALS} and more in the last dot",
        ylabel="share of pairs in one category",
    )
    axes.set_ylim(bottom=0)


CONFUSION: Final = Plot("confusion_matrix", _latest_report, _draw_confusion)
REPORT: Final = Text("report", _latest_report, _write_report)
SPENDING: Final = Plot("spending", _spending, _draw_spending)
ACTIVITY: Final = Plot("similarity_against_activity", _by_activity, _draw_activity)
