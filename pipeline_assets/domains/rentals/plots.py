"""Pictures on the rentals assets' pages."""

from typing import TYPE_CHECKING, Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.plots import Plot, Rows, Text
from pipeline_assets.domains.rentals.sentiment import CLASSES, classified, scored_reviews

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

BINS: Final = 15
MOST_SPENT: Final = 50
MOST_RENTALS: Final = 60


def _held_out(sentiment_model: ir.Table, movie_reviews: ir.Table) -> ir.Table:
    """What the model says of reviews it has not seen: counts by true class, answer and surety."""
    scored = scored_reviews(movie_reviews)
    kept_back = scored.filter(scored.held_out).select("review_str", truth=scored.sentiment)
    answers = classified(kept_back, sentiment_model)
    right = (answers.truth == answers.sentiment).cast("float64")
    surety = ibis.least((answers.confidence * float(BINS)).floor(), BINS - 1)
    return answers.group_by("truth", "sentiment", surety=surety.cast("int32")).aggregate(
        reviews=answers.count(), gap=(right - answers.confidence).sum()
    )


def confusion(rows: Rows) -> "NDArray[np.int64]":
    """Numbers of reviews, true classes down, answers across."""
    import numpy as np

    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    for row in rows:
        counts[row["truth"], row["sentiment"]] += row["reviews"]
    return counts


def calibration_error(rows: Rows) -> float:
    """The expected calibration error: how far confidence is from accuracy, over equal bins."""
    import numpy as np

    gaps = np.zeros(BINS)
    for row in rows:
        gaps[row["surety"]] += row["gap"]
    return float(np.abs(gaps).sum() / max(1, sum(row["reviews"] for row in rows)))


def _draw_confusion(axes: "Axes", rows: Rows) -> None:
    """True classes down, predicted ones across, coloured by share of the true class."""
    import numpy as np

    counts = confusion(rows)
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
    """A line for each class, then what holds for all of them; a share of nothing is 0."""
    import numpy as np

    counts = confusion(rows)
    hits, support, claimed = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    f1 = 2 * hits / np.maximum(support + claimed, 1)
    lines = [
        f"| {name} | {precision:.3f} | {recall:.3f} | {balanced:.3f} | {texts} |"
        for name, precision, recall, balanced, texts in zip(
            CLASSES,
            hits / np.maximum(claimed, 1),
            hits / np.maximum(support, 1),
            f1,
            support,
            strict=True,
        )
    ]
    overall = (
        f"accuracy {hits.sum() / max(1, counts.sum()):.3f}, macro-F1 {f1.mean():.3f}, "
        f"calibration error {calibration_error(rows):.3f}"
    )
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


CONFUSION: Final = Plot("confusion_matrix", _held_out, _draw_confusion, ("movie_reviews",))
REPORT: Final = Text("report", _held_out, _write_report, ("movie_reviews",))
SPENDING: Final = Plot("spending", _spending, _draw_spending)
ACTIVITY: Final = Plot("similarity_against_activity", _by_activity, _draw_activity)
