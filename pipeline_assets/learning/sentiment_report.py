"""How well a sentiment model does on unseen texts, as numbers, a table and a picture."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spark_resources.cluster.sentiment_report import SentimentReport, report_of
from spark_resources.cluster.sentiment_rules import CALIBRATION_BINS, CLASSES


def report(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], confidence: NDArray[np.float64]
) -> SentimentReport:
    """Compares n >= 1 predictions (classes 0 to 2 and their confidence) with the truth."""
    confusion = np.bincount(3 * truth + predicted, minlength=9).reshape(3, 3)
    return report_of(confusion.tolist(), calibration_error(truth == predicted, confidence))


def calibration_error(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> float:
    """Mean absolute gap between confidence and accuracy over equal bins, weighted by size."""
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, right - confidence, CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(right))


def to_markdown(measured: SentimentReport) -> str:
    """The report as a Markdown table, for the asset page."""
    rows = [
        f"| {each.name} | {each.precision:.3f} | {each.recall:.3f} | {each.f1:.3f} "
        f"| {each.support} |"
        for each in measured.classes
    ]
    return "\n".join(
        [
            "| class | precision | recall | F1 | support |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"accuracy {measured.accuracy:.3f}, macro-F1 {measured.macro_f1:.3f}, "
            f"calibration error {measured.calibration_error:.3f}",
        ]
    )


def confusion_png(confusion: Sequence[Sequence[int]]) -> bytes:
    """The 3 x 3 confusion matrix as a PNG picture, coloured by share of the true class."""
    # Matplotlib takes half a second to import and only this picture needs it.
    from matplotlib.figure import Figure  # noqa: PLC0415

    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.6, 4.0), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true", title="Sentiment on held-out reviews")
    axes.set_xticks(range(3), CLASSES)
    axes.set_yticks(range(3), CLASSES)
    for true, predicted in np.ndindex(3, 3):
        colour = "white" if shares[true, predicted] > 0.5 else "black"
        text = f"{counts[true, predicted]}\n{shares[true, predicted]:.0%}"
        axes.text(predicted, true, text, ha="center", va="center", color=colour)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
