"""The vocabulary as arrays, so that an index is looked up where the token stands.

To join each token with the vocabulary and group it back to its line would take memory for every
line: DuckDB cannot spill lists that it is still collecting. A lookup in an array needs no more than
the vocabulary, and keeps the order of the tokens.

Ids of a field lie close together, so that the array is cut into pages of consecutive ids, of which
only those with any known id exist. The first page holds nothing but unknown ids.
"""

from collections.abc import Callable, Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.training.conventions import UNKNOWN

_PAGE: Final = 4096
_BEFORE_ALL: Final = -_PAGE
_SHIFT: Final = 2**32
"""Puts an offset above an index, so that a page is sorted as plain numbers."""


def page_table(vocabulary: ir.Table, fields: Sequence[str]) -> ir.Table:
    """One row with two columns per field: where its pages start, and the indices in them."""
    pages = _filled_pages(vocabulary, fields)
    pairs = ibis.struct({"start": pages.start, "page": pages.page})
    sorted_ = pages.group_by("feature_name").aggregate(pages=pairs.collect().sort())
    arrays = sorted_.select(
        "feature_name",
        starts=sorted_.pages.map(lambda pair: pair["start"]),
        slots=sorted_.pages.map(lambda pair: pair["page"]).flatten(),
    )
    of = {name: arrays.feature_name == name for name in fields}
    return arrays.aggregate(
        **{_starts(name): arrays.starts.arbitrary(where=of[name]) for name in fields},
        **{_slots(name): arrays.slots.arbitrary(where=of[name]) for name in fields},
    )


def _filled_pages(vocabulary: ir.Table, fields: Sequence[str]) -> ir.Table:
    """One row per page of a field, with the index of each of its ids in order."""
    known = vocabulary.filter(vocabulary.feature_name.isin(fields))
    offset = known.feature_id % _PAGE
    known = known.select(
        "feature_name",
        start=known.feature_id - offset,
        offset=offset,
        packed=offset * _SHIFT + known["index"],
    )
    names = ibis.array(list(fields)).unnest().name("feature_name").as_table()
    starts = known.select("feature_name", "start").distinct()
    starts = starts.union(names.select("feature_name", start=ibis.literal(_BEFORE_ALL, "int64")))
    offsets = ibis.range(0, _PAGE).cast("array<int64>").unnest()
    slots = starts.select("feature_name", "start", offset=offsets)
    joined = slots.left_join(known, ["feature_name", "start", "offset"])
    packed = joined.packed.fill_null(joined.offset * _SHIFT + UNKNOWN)
    return joined.group_by("feature_name", "start").aggregate(
        page=packed.collect().sort().map(lambda each: (each % _SHIFT).cast("int32"))
    )


def slot_of(pages: ir.Table, name: str) -> Callable[[ir.Value], ir.Value]:
    """From an id of a field to its place in the field's array.

    Args:
        pages: A table with the columns of :func:`page_table`.
        name: The field.
    """

    def slot(feature_id: ir.Value) -> ir.Value:
        offset = feature_id % _PAGE
        page = ibis.greatest(pages[_starts(name)].index(feature_id - offset), 0)
        # Places in Spark's arrays are 32-bit numbers.
        return (page * _PAGE + offset).cast("int32")

    return slot


def index_at(pages: ir.Table, name: str) -> Callable[[ir.Value], ir.Value]:
    """From a place in a field's array to the index there; arguments as above."""
    return lambda slot: pages[_slots(name)][slot]


def _starts(name: str) -> str:
    return f"starts_{name}"


def _slots(name: str) -> str:
    return f"slots_{name}"
