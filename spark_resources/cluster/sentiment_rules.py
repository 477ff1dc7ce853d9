"""What sentiment models agree on, whichever engine fits them."""

from collections.abc import Mapping, Sequence
from typing import Final

CLASSES: Final = ("negative", "neutral", "positive")
"""The classes in the order of their numbers."""

MINIMUM_TEXTS: Final = 5
"""So many distinct texts of a class are needed to learn it."""

HELD_OUT_PARTS: Final = 5
"""One part in so many is kept back, to report on."""

CALIBRATION_BINS: Final = 15
EDGE: Final = 5_000
"""Of a text longer than twice this only the first and the last so many characters are read."""

FORMATS: Final[Mapping[str, str]] = {
    "pipeline-assets sentiment model": "the embedded engine",
    "pipeline-assets sentiment pipeline": "Spark",
}
"""What the header of a stored model calls itself, and which engine fits and reads such models."""

HEADER: Final = "header.json"
NO_MODEL: Final = "there is no sentiment model yet; materialise rentals/sentiment_model"


def shortage(counts: Sequence[int]) -> str | None:
    """Why distinct texts per class are too few to learn from; None where they suffice."""
    named = list(zip(CLASSES, counts, strict=True))
    scarce = [name for name, count in named if count < MINIMUM_TEXTS]
    if not scarce:
        return None
    found = ", ".join(f"{count} {name}" for name, count in named)
    return (
        f"too few {' and '.join(scarce)} reviews to train on: found {found} distinct texts, "
        f"each class needs {MINIMUM_TEXTS}; land more scored reviews"
    )


def misfit(found: object, expected: str) -> str | None:
    """Why a stored model that calls itself something cannot be read here; None where it can."""
    if found == expected:
        return None
    if found in FORMATS:
        return (
            f"the sentiment model was fitted by {FORMATS[str(found)]}, {FORMATS[expected]} "
            "cannot read it: materialise rentals/sentiment_model on this engine as well"
        )
    return "the stored object is no sentiment model: point to one, or train again"
