"""How well a sentiment model does on unseen texts, from its confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass

from spark_resources.cluster.sentiment_rules import CLASSES


@dataclass(frozen=True)
class ClassReport:
    """One class: shares from 0 to 1 (0 where undefined) and how many texts truly belong to it."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class SentimentReport:
    """Measured on a held-out part.

    Attributes:
        classes: one report per class, from negative to positive.
        accuracy: share of right answers.
        macro_f1: plain mean of the three F1 scores.
        calibration_error: expected calibration error, the mean distance of confidence from accuracy
            over `CALIBRATION_BINS` equal bins (Guo et al., "On Calibration of Modern Neural
            Networks", 2017).
        confusion: counts, true classes down, predicted classes across.
    """

    classes: tuple[ClassReport, ...]
    accuracy: float
    macro_f1: float
    calibration_error: float
    confusion: tuple[tuple[int, ...], ...]


def report_of(confusion: Sequence[Sequence[int]], calibration_error: float) -> SentimentReport:
    """The report of a 3 x 3 matrix of counts, true classes down, with at least one text."""
    counts = tuple(tuple(map(int, row)) for row in confusion)
    classes = tuple(_class_report(counts, label) for label in range(len(CLASSES)))
    hits = sum(counts[label][label] for label in range(len(CLASSES)))
    return SentimentReport(
        classes=classes,
        accuracy=hits / sum(map(sum, counts)),
        macro_f1=sum(each.f1 for each in classes) / len(classes),
        calibration_error=calibration_error,
        confusion=counts,
    )


def _class_report(confusion: tuple[tuple[int, ...], ...], label: int) -> ClassReport:
    hits, support = confusion[label][label], sum(confusion[label])
    claimed = sum(row[label] for row in confusion)
    return ClassReport(
        name=CLASSES[label],
        precision=hits / max(claimed, 1),
        recall=hits / max(support, 1),
        f1=2 * hits / max(claimed + support, 1),
        support=support,
    )
