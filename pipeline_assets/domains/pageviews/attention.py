"""From views of titles to views of articles, and to how unusual they are."""

from typing import Final

import ibis
import ibis.expr.types as ir

WEEK: Final = 7
BEFORE: Final = 28
"""Days before a day that say what is usual."""
ENOUGH: Final = 7
"""So many of them have to be loaded."""


def views_of_articles(titles: ir.Table, raw_views: ir.Table, dump_views: ir.Table) -> ir.Table:
    """Every article on every day that has ended; a day that a dump holds is not taken from the API.

    The sentinel decides: a day that it lacks is not loaded, whatever else has come of it.
    """
    dumped = dump_views.filter(dump_views.is_sentinel).select("day").distinct()
    seen = raw_views.anti_join(dumped, "day").union(dump_views)
    sentinel = seen.filter(seen.is_sentinel)
    days = sentinel.group_by("month", "day").aggregate(loaded=sentinel.views.count())
    articles = titles.select("list", "page_id", "handle").distinct()
    views = seen.filter(~seen.is_sentinel).join(titles, "title")
    counted = views.group_by("list", "page_id", "day").aggregate(counted=views.views.sum())
    every = articles.cross_join(days).left_join(counted, ["list", "page_id", "day"])
    is_loaded, found = every.loaded > 0, every.counted.fill_null(0)
    return every.select(
        "list",
        "month",
        "page_id",
        "handle",
        "day",
        views=ibis.cases((is_loaded, found.cast("int64"))),
        completeness=ibis.cases((~is_loaded, "not_loaded"), (found > 0, "observed"), else_="zero"),
    )


def unusual(daily_views: ir.Table) -> ir.Table:
    """Mean and z-score of each day that is loaded.

    Sums of whole numbers are exact on every engine, so the same days give the same score.
    """
    views = daily_views.views
    whole = {"group_by": ["list", "page_id"], "order_by": "day"}
    week = ibis.window(**whole, preceding=WEEK - 1, following=0)
    past = ibis.window(**whole, preceding=(BEFORE, 1))
    summed = daily_views.mutate(
        mean_7_days=_number(views.sum().over(week)) / views.count().over(week),
        days=views.count().over(past),
        total=_number(views.sum().over(past)),
        squares=_number((views * views).sum().over(past)),
    )
    mean = summed.total / summed.days
    spread = ((summed.squares - summed.total * mean) / (summed.days - 1)).nullif(0)
    score = (summed.views - mean) / ibis.cases((spread > 0, spread)).sqrt()
    scored = summed.mutate(z_score=ibis.cases((summed.days >= ENOUGH, score)))
    return scored.filter(scored.views.notnull()).select(
        "list", "month", "page_id", "handle", "day", "views", "mean_7_days", "z_score"
    )


def _number(total: ir.NumericValue) -> ir.NumericValue:
    return total.cast("int64").cast("float64")
