"""Documents taken apart into terms, as the counts that a linear text classifier learns from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from pipeline_assets.errors import PipelineError

FOLDS: Final = 3
MINIMUM_DOCUMENTS: Final = 5
"""So many distinct documents of a class are needed to learn it."""

Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class LinearTextParameters:
    """What there is to decide; nothing has a default, so every choice is part of a job.

    Attributes:
        document: Column with the text; copies of a text are never on both sides of a fold.
        label: Column with the number of the class.
        classes: Their names, in the order of their numbers.
        views: Columns with lists of terms.
        groups: By view, then by name: terms that mean alike. An entry that ends in ``*`` stands for
            every term that starts with it; a whole term wins, then the longest beginning.
        group_weight: How loud a group is beside a single term.
        margin: Strength of the support vector machine; larger trusts the documents more.
        smoothing: Of naive Bayes, in counts.
        seed: Decides which documents are in which fold.
        most_documents: Of more only so many are learnt from, chosen by the seed.
    """

    document: str
    label: str
    classes: Sequence[str]
    views: Sequence[str]
    groups: Mapping[str, Mapping[str, Sequence[str]]]
    group_weight: float
    margin: float
    smoothing: float
    seed: int
    most_documents: int


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents as counts of terms.

    Attributes:
        counts: (documents, terms).
        labels: The class of each document.
        folds: Which part each document is in.
        terms: The terms, in the order of the counts' columns.
        view: The number of each term's view.
        groups: Which groups each term belongs to, (terms, groups).
    """

    counts: sparse.csr_matrix
    labels: Labels
    folds: Labels
    terms: Sequence[str]
    view: Labels
    groups: sparse.csr_matrix


def count(documents: pa.Table, parameters: LinearTextParameters) -> Corpus:
    """The documents as counts.

    Raises:
        PipelineError: A class has too few distinct documents.
    """
    labels = documents[parameters.label].to_numpy().astype(np.int64)
    texts = documents[parameters.document].combine_chunks().dictionary_encode()
    copies = texts.indices.to_numpy().astype(np.int64)
    places = _places(labels, copies, parameters.classes)
    views = [_counted(documents[name].combine_chunks()) for name in parameters.views]
    found = [_grouped(terms, parameters, n) for n, (terms, _) in enumerate(views)]
    counts = [
        sparse.csr_matrix((c.data, c.indices, c.indptr), shape=(len(labels), len(terms)))
        for (_, c), (terms, _) in zip(views, found, strict=True)
    ]
    return Corpus(
        counts=sparse.hstack(counts, format="csr"),
        labels=labels,
        folds=places % FOLDS,
        terms=[term for terms, _ in found for term in terms],
        view=np.repeat(np.arange(len(found)), [len(terms) for terms, _ in found]),
        groups=sparse.block_diag([groups for _, groups in found], format="csr"),
    )


def _places(labels: Labels, copies: Labels, classes: Sequence[str]) -> Labels:
    """The place of each document among the distinct ones of its class; copies share one.

    Raises:
        PipelineError: A class has too few distinct documents.
    """
    _, first, copy = np.unique(copies, return_index=True, return_inverse=True)
    leader = labels[first]
    found = np.bincount(leader, minlength=len(classes))
    if found.min() < MINIMUM_DOCUMENTS:
        raise PipelineError(_shortage(found.tolist(), classes))
    place = np.empty(len(first), np.int64)
    for label in range(len(classes)):
        place[leader == label] = np.arange(found[label])
    return place[copy]


def _shortage(found: Sequence[int], classes: Sequence[str]) -> str:
    scarce = [n for n, count in zip(classes, found, strict=True) if count < MINIMUM_DOCUMENTS]
    counted = ", ".join(f"{count} {n}" for n, count in zip(classes, found, strict=True))
    return (
        f"too few {' and '.join(scarce)} texts to train on: found {counted} distinct texts, "
        f"each class needs {MINIMUM_DOCUMENTS}; land more scored ones"
    )


def _counted(lists: pa.ListArray) -> tuple[list[str], sparse.csr_matrix]:
    """The distinct terms of a column of lists, and how often each list has each of them."""
    encoded = lists.flatten().dictionary_encode()
    rows = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
    ones, shape = np.ones(len(rows)), (len(lists), len(encoded.dictionary))
    counts = sparse.csr_matrix((ones, (rows, encoded.indices.to_numpy())), shape=shape)
    return encoded.dictionary.to_pylist(), counts


def _grouped(
    terms: list[str], parameters: LinearTextParameters, view: int
) -> tuple[list[str], sparse.csr_matrix]:
    """The terms with those that only groups have, and which group each is in."""
    groups = parameters.groups.get(parameters.views[view], {})
    entries = {entry: n for n, listed in enumerate(groups.values()) for entry in listed}
    whole = {entry: number for entry, number in entries.items() if not entry.endswith("*")}
    beginnings = {e.removesuffix("*"): number for e, number in entries.items() if e not in whole}
    every = [*terms, *sorted(whole.keys() - set(terms))]
    found = [(place, _group(term, whole, beginnings)) for place, term in enumerate(every)]
    members = np.array([pair for pair in found if pair[1] is not None], np.int64).reshape(-1, 2)
    shape = (len(every), len(groups))
    return every, sparse.csr_matrix((np.ones(len(members)), members.T), shape=shape)


def _group(term: str, whole: Mapping[str, int], beginnings: Mapping[str, int]) -> int | None:
    starts = (term[:length] for length in range(len(term), 0, -1))
    return whole.get(term, next((beginnings[s] for s in starts if s in beginnings), None))
