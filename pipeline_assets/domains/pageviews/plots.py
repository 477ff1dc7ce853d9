"""Pictures on the page view assets' pages."""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.plots import Plot, bars

SHOWN: Final = 12


def _most_unusual(attention: ir.Table) -> ir.Table:
    """The articles that got most beyond what is usual for them, each on its best day."""
    scored = attention.filter(attention.z_score.notnull())
    place = ibis.row_number().over(
        group_by=["list", "page_id"], order_by=[scored.z_score.desc(), scored.day]
    )
    best = scored.mutate(place=place)
    best = best.filter(best.place == 0)
    label = best.handle + ", " + best.day.cast("string")
    return (
        best.select("z_score", "page_id", label=label)
        .order_by(ibis.desc("z_score"), "page_id")
        .limit(SHOWN)
    )


UNUSUAL: Final = Plot(
    "most_unusual_days",
    _most_unusual,
    bars("label", "z_score", label="standard deviations above the 28 days before", horizontal=True),
)
