"""From lines to one row per line with the indices and weights of every field.

A line is cut into pieces once. The ids and weights of a field are read where its tokens stand among
them, so that a list is made of a field's own tokens in their order.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.training.conventions import PADDING
from pipeline_assets.domains.taobao.lines import BEFORE_ID, SEPARATOR
from pipeline_assets.domains.taobao.training.contracts import LISTS
from pipeline_assets.domains.taobao.training.lookup import index_at, page_table, slot_of
from pipeline_assets.domains.taobao.training.pieces import OF_A_TOKEN, located, places


def encoded(
    lines: ir.Table, fields: Iterable[str], vocabulary: ir.Table, kept: Iterable[str]
) -> ir.Table:
    """Encode the column ``features`` of lines.

    Args:
        lines: With that column of tokens as text, of lines that are not rejected.
        fields: Those that have columns.
        vocabulary: The table.
        kept: Further columns of the lines.

    Returns:
        Those columns, the number of tokens, and two columns per field; see the contracts.
    """
    fields, kept = list(fields), list(kept)
    found = located(lines.select(*kept, "features"), fields)
    # Step by step: an expression that is used twice within another one is written twice in SQL.
    counted = found.mutate(num_tokens=_num_tokens(found), other_tokens=_others(found, fields))
    kept += ["num_tokens", "other_tokens"]
    parsed = counted.select(
        *kept,
        **{_ids(name): _read(counted, name, 1, "int64") for name in fields},
        **{f"f{name}_weight": _read(counted, name, 2, "float32") for name in fields},
    )
    paged = parsed.cross_join(page_table(vocabulary, fields))
    placed = paged.mutate(
        **{_ids(name): _applied(paged[_ids(name)], slot_of(paged, name)) for name in fields}
    )
    columns = {column: it for name in fields for column, it in _columns(placed, name).items()}
    return placed.select(*kept, **columns)


def _num_tokens(found: ir.Table) -> ir.IntegerValue:
    return (found["size"] // OF_A_TOKEN).cast("int32")


def _read(found: ir.Table, name: str, piece: int, type_: str) -> ir.Value:
    """One piece of each token of a field as a number; null for a value that is not there."""
    place = found[places(name)]
    if name in LISTS:
        return place.map(lambda each: found.pieces[each + piece].try_cast(type_))
    return ibis.ifelse(place >= 0, found.pieces[place + piece].try_cast(type_), None)


def _columns(placed: ir.Table, name: str) -> dict[str, ir.Value]:
    index = _applied(placed[_ids(name)], index_at(placed, name))
    weight = placed[f"f{name}_weight"]
    if name not in LISTS:
        index = index.fill_null(PADDING)
        weight = weight.fill_null(ibis.literal(0.0, "float32"))
    return {f"f{name}": index, f"f{name}_weight": weight}


def _applied(value: ir.Value, function: Callable[[ir.Value], ir.Value]) -> ir.Value:
    return value.map(function) if isinstance(value, ir.ArrayValue) else function(value)


def _others(found: ir.Table, fields: Sequence[str]) -> ir.ArrayValue:
    """Tokens without a place; hardly a line has any, and no other one is looked at."""
    placed = [
        place.length() if name in LISTS else (place >= 0).cast("int64")
        for name, place in ((name, found[places(name)]) for name in fields)
    ]
    tokens = found.features.split(SEPARATOR).filter(lambda token: token != "")
    heads = [name + BEFORE_ID for name in fields]
    unknown = tokens.filter(lambda token: ~ibis.or_(*(token.startswith(it) for it in heads)))
    repeated = [
        tokens.filter(lambda token, head=name + BEFORE_ID: token.startswith(head))[1:]
        for name in fields
        if name not in LISTS
    ]
    has_none = reduce(add, placed) == _num_tokens(found)
    others = ibis.array([unknown, *repeated]).flatten()
    return ibis.ifelse(has_none, ibis.literal([], "array<string>"), others)


def _ids(name: str) -> str:
    return f"ids_{name}"
