"""From lines to one row per line with the indices and weights of every field.

A line is split at the marks of one field, and what is behind a mark is that field's next token. So
a list is made of a field's own tokens in their order, without looking at all others one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.training.conventions import PADDING
from pipeline_assets.domains.taobao.lines import AFTER_ID, BEFORE_ID, SEPARATOR
from pipeline_assets.domains.taobao.training.contracts import LISTS
from pipeline_assets.domains.taobao.training.lookup import index_at, page_table, slot_of


def encoded(
    lines: ir.Table, fields: Iterable[str], vocabulary: ir.Table, kept: Iterable[str]
) -> ir.Table:
    """Encode the column ``features`` of lines.

    Args:
        lines: With that column of tokens as text.
        fields: Those that have columns.
        vocabulary: The table.
        kept: Further columns of the lines.

    Returns:
        Those columns, the number of tokens, and two columns per field; see the contracts.
    """
    fields, kept = list(fields), list(kept)
    marked = lines.select(*kept, features=ibis.literal(SEPARATOR).concat(lines.features))
    pieces = marked.select(
        *kept,
        "features",
        num_tokens=(marked.features.split(BEFORE_ID).length() - 1).cast("int32"),
        **{_pieces(name): marked.features.split(_mark(name)) for name in fields},
    )
    kept += ["num_tokens", "other_tokens"]
    # Step by step: an expression that is used twice within another one is written twice in SQL.
    parsed = pieces.mutate(
        other_tokens=_others(pieces, fields),
        **{_ids(name): _each(pieces, name, _id) for name in fields},
        **{f"f{name}_weight": _each(pieces, name, _weight) for name in fields},
    )
    paged = parsed.cross_join(page_table(vocabulary, fields))
    placed = paged.mutate(
        **{_ids(name): _applied(paged[_ids(name)], slot_of(paged, name)) for name in fields}
    )
    columns = {column: it for name in fields for column, it in _columns(placed, name).items()}
    return placed.select(*kept, **columns)


def _each(pieces: ir.Table, name: str, parse: Callable[[ir.Value], ir.Value]) -> ir.Value:
    """What is parsed of each token of a field; of a field of one value, of that one or null."""
    own = pieces[_pieces(name)]
    if name in LISTS:
        return own[1:].map(parse)
    return ibis.ifelse(own.length() > 1, parse(own[1]), None)


def _columns(placed: ir.Table, name: str) -> dict[str, ir.Value]:
    index = _applied(placed[_ids(name)], index_at(placed, name))
    weight = placed[f"f{name}_weight"]
    if name not in LISTS:
        index = index.fill_null(PADDING)
        weight = weight.fill_null(ibis.literal(0.0, "float32"))
    return {f"f{name}": index, f"f{name}_weight": weight}


def _applied(value: ir.Value, function: Callable[[ir.Value], ir.Value]) -> ir.Value:
    return value.map(function) if isinstance(value, ir.ArrayValue) else function(value)


def _others(paged: ir.Table, fields: Sequence[str]) -> ir.ArrayValue:
    """Tokens without a place; hardly a line has any, and no other one is looked at."""
    found = {name: paged[_pieces(name)].length() - 1 for name in fields}
    placed = [it if name in LISTS else ibis.least(it, 1) for name, it in found.items()]
    tokens = paged.features.split(SEPARATOR).filter(lambda token: token != "")
    heads = [name + BEFORE_ID for name in fields]
    unknown = tokens.filter(lambda token: ~ibis.or_(*(token.startswith(it) for it in heads)))
    repeated = [
        tokens.filter(lambda token, head=name + BEFORE_ID: token.startswith(head))[1:]
        for name in fields
        if name not in LISTS
    ]
    has_none = reduce(add, placed) == paged.num_tokens
    others = ibis.array([unknown, *repeated]).flatten()
    return ibis.ifelse(has_none, ibis.literal([], "array<string>"), others)


def _pieces(name: str) -> str:
    return f"pieces_{name}"


def _ids(name: str) -> str:
    return f"ids_{name}"


def _mark(name: str) -> str:
    return f"{SEPARATOR}{name}{BEFORE_ID}"


def _id(piece: ir.StringValue) -> ir.IntegerValue:
    return piece.split(AFTER_ID)[0].try_cast("int64")


def _weight(piece: ir.StringValue) -> ir.FloatingValue:
    """The number up to the next token, or to the end of the line."""
    return piece.split(AFTER_ID)[1].split(SEPARATOR)[0].try_cast("float32")
