"""A line of tokens as the flat list of their pieces, and where the tokens of a field stand in it.

Three pieces make a token: its name with the mark behind it, its id, its weight. Of those, only a
name ends in that mark, so a name is found by comparing whole pieces. A line is cut once, whatever
the number of fields, and an id or a weight is read where its field stands.
"""

from collections.abc import Iterable
from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.domains.taobao.lines import AFTER_ID, BEFORE_ID, SEPARATOR
from pipeline_assets.domains.taobao.training.contracts import LISTS

OF_A_TOKEN: Final = 3
"""Pieces of a token; what is behind a trailing separator is one empty piece."""


def located(lines: ir.Table, fields: Iterable[str]) -> ir.Table:
    """Cut lines into pieces, and find the fields.

    Args:
        lines: With the column ``features``, of lines that are not rejected: each token has all
            three pieces.
        fields: Those to find.

    Returns:
        All columns of the lines, ``pieces``, how many (``size``), and for each field the column of
        :func:`places`: where its first token begins, or -1; of a list, where each of them does.
    """
    fields = list(fields)
    cut = lines.mutate(
        pieces=_pieces(lines.features), marked=ibis.literal(SEPARATOR).concat(lines.features)
    )
    lists = [name for name in fields if name in LISTS]
    # Step by step: an expression that is used twice within another one is written twice in SQL.
    found = cut.select(
        *lines.columns,
        "pieces",
        size=cut.pieces.length().cast("int32"),
        **{places(name): cut.pieces.index(_head(name)).cast("int32") for name in fields},
        **{_parts(name): cut.marked.split(SEPARATOR + _head(name)) for name in lists},
    )
    counted = found.mutate(
        **{_count(name): (found[_parts(name)].length() - 1).cast("int32") for name in lists}
    )
    all_places = {name: _all_places(counted, name) for name in lists}
    whole = counted.mutate(**{places(name): it for name, it in all_places.items()})
    return whole.drop(*map(_parts, lists), *map(_count, lists))


def places(name: str) -> str:
    """The column that says where tokens of a field begin."""
    return f"places_{name}"


def _pieces(features: ir.StringValue) -> ir.ArrayValue:
    """Splitting and joining at one separator after the other takes half as long as replacing."""
    names_apart = features.split(BEFORE_ID).join(BEFORE_ID + SEPARATOR)
    return names_apart.split(AFTER_ID).join(SEPARATOR).split(SEPARATOR)


def _all_places(found: ir.Table, name: str) -> ir.ArrayValue:
    """Where each token of a list begins: mostly they stand together, else all names are compared.

    What is left of the line behind the last of them tells whether others stand between them.
    """
    first, count = found[places(name)], found[_count(name)]
    last_and_behind = found[_parts(name)][count].split(SEPARATOR).length().cast("int32")
    stand_together = first + OF_A_TOKEN * (count - 1 + last_and_behind) >= found["size"]
    together = ibis.range(first, first + OF_A_TOKEN * count, OF_A_TOKEN)
    anywhere = ibis.range(0, found["size"] - OF_A_TOKEN + 1, OF_A_TOKEN)
    own = anywhere.filter(lambda place: found.pieces[place] == _head(name))
    return ibis.ifelse(stand_together | (count == 0), together, own)


def _head(name: str) -> str:
    return name + BEFORE_ID


def _parts(name: str) -> str:
    """The column of what a line falls into at the names of a field."""
    return f"parts_{name}"


def _count(name: str) -> str:
    return f"count_{name}"
