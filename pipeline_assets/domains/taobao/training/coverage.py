"""How much of each field the vocabulary knows."""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.training.conventions import PADDING, UNKNOWN
from pipeline_assets.domains.taobao.training.contracts import LISTS


def coverage(table: ir.Table, fields: Iterable[str]) -> ir.Table:
    """One row per field and part of an encoded table, which is read once."""
    fields = list(fields)
    counts = {f"tokens_{name}": _tokens(table, name).sum() for name in fields}
    counts |= {f"unknown_{name}": _unknown(table, name).sum() for name in fields}
    by_part = table.group_by("split", "part").aggregate(**counts)
    each = ibis.array(
        [
            ibis.struct(
                {
                    "feature_name": ibis.literal(name),
                    "tokens": by_part[f"tokens_{name}"].cast("int64"),
                    "unknown": by_part[f"unknown_{name}"].cast("int64"),
                }
            )
            for name in fields
        ]
    )
    rows = by_part.select("split", "part", field=each.unnest())
    found = rows.select(
        "split",
        "part",
        feature_name=rows.field["feature_name"],
        tokens=rows.field["tokens"],
        unknown=rows.field["unknown"],
    )
    share = found.unknown.cast("float64") / found.tokens.nullif(0)
    return found.mutate(unknown_share=share)


def _tokens(table: ir.Table, name: str) -> ir.Value:
    column = table[f"f{name}"]
    return column.length() if name in LISTS else (column != PADDING).cast("int64")


def _unknown(table: ir.Table, name: str) -> ir.Value:
    column = table[f"f{name}"]
    if name in LISTS:
        return column.filter(lambda index: index == UNKNOWN).length()
    return (column == UNKNOWN).cast("int64")
