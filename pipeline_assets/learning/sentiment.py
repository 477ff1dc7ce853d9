"""A linear sentiment model: what it knows, how it predicts, how it is stored.

The model is one matrix: a text's features (`sentiment_text`) times `weights` plus `intercept` are
three logits, their softmax the probabilities of negative, neutral and positive. How the matrix
comes about is `sentiment_fit`'s business; predicting needs NumPy and SciPy only.

Stored form (`to_bytes`): a zip archive as NumPy writes `.npz` files, uncompressed and with fixed
timestamps so that equal models are equal bytes. It holds `header.json` (format name and version,
hyper-parameters, word lists, where the training texts came from) beside plain numeric arrays.
Loading executes and unpickles nothing.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipeline_assets.errors import PipelineError
from pipeline_assets.learning.sentiment_text import (
    BUCKETS,
    CUE_COUNT,
    TextFeatures,
    batches,
    text_features,
)
from spark_resources.cluster.sentiment_lexicon import Lexicon
from spark_resources.cluster.sentiment_rules import CLASSES, HEADER, misfit

NEGATIVE, NEUTRAL, POSITIVE = range(3)
FORMAT: Final = "pipeline-assets sentiment model"
FORMAT_VERSION: Final = 1
VIEWS: Final = ("words", "characters", "tone")
VIEW_WEIGHTS: Final = (1.0, 1.0, 0.5)
CUE_WEIGHT: Final = 0.2
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_LAYOUT: Final = {
    **{f"{view}_buckets": np.dtype(np.int32) for view in VIEWS},
    **{f"{view}_rarity": np.dtype(np.float32) for view in VIEWS},
    "weights": np.dtype(np.float32),
    "intercept": np.dtype(np.float64),
    "shift": np.dtype(np.float64),
}
_DAMAGE: Final = (
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    TypeError,
    OSError,
    EOFError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
)

Floats = NDArray[np.float64]


def sentiment_of_score(score: float) -> int:
    """The class of a vendor's score: up to 2 negative (0), 3 neutral (1), from 4 on positive (2).

    What lies strictly between 2 and 4 is neutral.

    Raises:
        PipelineError: the score is no number from 1 to 5.
    """
    if not 1 <= score <= 5:
        raise PipelineError(f"score {score} is not between 1 and 5: correct or reject the review")
    return NEGATIVE if score <= 2 else POSITIVE if score >= 4 else NEUTRAL


@dataclass(frozen=True, eq=False)
class Terms:
    """The hashed terms of one view that training saw.

    Attributes:
        buckets: sorted bucket numbers, (k,) int32.
        rarity: inverse document frequency of each, (k,) float32.
    """

    buckets: NDArray[np.int32]
    rarity: NDArray[np.float32]

    def weigh(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Counts (n, `BUCKETS`) as unit rows of sublinear tf-idf of known terms, (n, k) float32."""
        places = np.full(BUCKETS, -1, np.int32)
        places[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        place = places[counts.indices]
        known = place >= 0
        starts = np.concatenate(([0], np.cumsum(known)))[counts.indptr]
        weights = (1 + np.log(counts.data[known])) * self.rarity[place[known]]
        row = np.repeat(np.arange(counts.shape[0]), np.diff(starts))
        norm = np.sqrt(np.bincount(row, weights.astype(np.float64) ** 2, counts.shape[0]))
        unit = (weights / norm[row]).astype(np.float32)
        shape = (counts.shape[0], len(self.buckets))
        return sparse.csr_matrix((unit, place[known], starts), shape=shape)


@dataclass(frozen=True, eq=False)
class SentimentModel:
    """A trained model; equal training gives equal arrays.

    Attributes:
        terms: the known terms of each of `VIEWS`.
        weights: (terms of all views, then `CUE_COUNT` cues; 3 classes) float32.
        intercept: (3,) float64.
        shift: added to the logits when choosing the class, not to the confidence, (3,) float64.
        lexicon: the word lists the texts are read with.
        notes: hyper-parameters, counts and the origin of the training texts; plain JSON values.
    """

    terms: tuple[Terms, ...]
    weights: NDArray[np.float32]
    intercept: Floats
    shift: Floats
    lexicon: Lexicon
    notes: Mapping[str, Any]


def weigh(features: TextFeatures, terms: tuple[Terms, ...]) -> sparse.csr_matrix:
    """The feature matrix: weighted views side by side, then cues; (n, terms + cues) float32."""
    views = [
        view_terms.weigh(getattr(features, view)) * np.float32(weight)
        for view, weight, view_terms in zip(VIEWS, VIEW_WEIGHTS, terms, strict=True)
    ]
    cues = sparse.csr_matrix(features.cues * np.float32(CUE_WEIGHT))
    return sparse.hstack([*views, cues], format="csr", dtype=np.float32)


def softmax(logits: Floats) -> Floats:
    """Probabilities of rows of logits, same shape."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def predict(
    model: SentimentModel, texts: Iterable[str | None]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The class of each text and the calibrated probability that it is right.

    Texts stream: beside the results only one batch is in memory. A text's result does not depend on
    the texts around it. Any text is fine: None and blank ones get what is likeliest unseen.

    Returns:
        classes (n,) int32 from 0 negative to 2 positive, and confidence (n,) float64 from 0 to 1.
    """
    parts = [_decide(model, batch) for batch in batches(texts)]
    classes = np.concatenate([np.zeros(0, np.int32), *(chosen for chosen, _ in parts)])
    confidence = np.concatenate([np.zeros(0), *(share for _, share in parts)])
    return classes, confidence


def _decide(model: SentimentModel, batch: list[str]) -> tuple[NDArray[np.int32], Floats]:
    matrix = weigh(text_features(batch, model.lexicon), model.terms)
    logits = matrix @ model.weights + model.intercept
    chosen = (logits + model.shift).argmax(axis=1)
    return chosen.astype(np.int32), softmax(logits)[np.arange(len(batch)), chosen]


def to_bytes(model: SentimentModel) -> bytes:
    """The stored form; equal models give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, _EPOCH), _header(model))
        for name, array in _arrays(model).items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), _npy(array))
    return buffer.getvalue()


def from_bytes(blob: bytes) -> SentimentModel:
    """The model that `to_bytes` stored, with bit-equal predictions.

    Raises:
        PipelineError: the bytes are damaged, something else, or of a newer format.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            header = _known(json.loads(archive.read(HEADER)))
            return _assemble(header, {name: _array(archive, name) for name in _LAYOUT})
    except _DAMAGE as fault:
        raise PipelineError(
            f"stored sentiment model is damaged ({fault}): restore an earlier one or train again"
        ) from fault


def _header(model: SentimentModel) -> str:
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "classes": CLASSES,
        "lexicon": list(model.lexicon.lists),
        "notes": dict(model.notes),
    }
    return json.dumps(header, ensure_ascii=False, sort_keys=True, indent=1)


def _arrays(model: SentimentModel) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for view, terms in zip(VIEWS, model.terms, strict=True):
        arrays |= {f"{view}_buckets": terms.buckets, f"{view}_rarity": terms.rarity}
    return arrays | {
        "weights": model.weights,
        "intercept": model.intercept,
        "shift": model.shift,
    }


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def _known(header: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever the JSON holds)
    known: dict[str, Any] = header if isinstance(header, dict) else {}
    problem = misfit(known.get("format"), FORMAT)
    if problem is not None:
        raise PipelineError(problem)
    version = known["version"]
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise PipelineError(
            f"the sentiment model has format version {version}, this release reads up to "
            f"{FORMAT_VERSION}: upgrade pipeline-assets or train again"
        )
    return known


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    content = io.BytesIO(archive.read(f"{name}.npy"))
    array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    if array.dtype != _LAYOUT[name] or not np.isfinite(array).all():
        raise ValueError(f"{name} holds {array.dtype} or values that are not finite")
    return array


def _assemble(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SentimentModel:
    terms = tuple(Terms(arrays[f"{view}_buckets"], arrays[f"{view}_rarity"]) for view in VIEWS)
    rows = CUE_COUNT + sum(len(view.buckets) for view in terms)
    shapes = [arrays[name].shape for name in ("weights", "intercept", "shift")]
    if shapes != [(rows, 3), (3,), (3,)] or not all(map(_in_order, terms)):
        raise ValueError("its arrays do not fit together")
    return SentimentModel(
        terms=terms,
        weights=arrays["weights"],
        intercept=arrays["intercept"],
        shift=arrays["shift"],
        lexicon=Lexicon(tuple(map(str, header["lexicon"]))),
        notes=header["notes"],
    )


def _in_order(terms: Terms) -> bool:
    bounded = np.concatenate(([-1], terms.buckets, [BUCKETS]))
    return terms.rarity.shape == terms.buckets.shape and bool((np.diff(bounded) > 0).all())
