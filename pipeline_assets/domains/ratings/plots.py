"""Pictures on the ratings assets' pages."""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.plots import Plot, grouped_bars


def _rating_shares(filtered_ratings: ir.Table, reviews: ir.Table) -> ir.Table:
    """Share of each rating, in percent, among the reviews and among those the filter keeps."""
    before = _shares(reviews, "before the filter")
    after = _shares(filtered_ratings, "after it")
    return before.union(after).order_by(ibis.desc("rows"), "stars")


def _shares(ratings: ir.Table, rows: str) -> ir.Table:
    stars = ratings.star_rating.cast("string").fill_null("none")
    counted = ratings.group_by(stars=stars).aggregate(count=ratings.count())
    percent = 100.0 * counted["count"] / counted["count"].sum()
    return counted.select("stars", rows=ibis.literal(rows), percent=percent)


STARS: Final = Plot(
    "ratings",
    _rating_shares,
    grouped_bars("stars", "rows", "percent", label="% of rows"),
    inputs=("reviews",),
)
