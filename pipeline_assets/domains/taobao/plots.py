"""Pictures on the Taobao assets' pages."""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.plots import Plot, bars


def _label_rates(impressions: ir.Table) -> ir.Table:
    """Shares of impressions, in percent, that led to a click and to a conversion."""
    shares = impressions.group_by("split").aggregate(
        click=100 * impressions.click_label.mean(),
        conversion=100 * impressions.conversion_label.mean(),
    )
    rates = shares.pivot_longer(["click", "conversion"], names_to="label", values_to="percent")
    return rates.select(label=rates.split.concat(" ", rates.label), percent=rates.percent).order_by(
        ibis._.label
    )


LABEL_RATES: Final = Plot("label_rates", _label_rates, bars("label", "percent", label="% of rows"))
