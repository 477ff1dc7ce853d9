"""What the events of a day say of each customer."""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

SESSION_SECONDS: Final = 30 * 60
"""A customer who does nothing for so long has left; what follows is another session."""
COUNTED: Final[Mapping[str, str]] = {
    "views": "view",
    "clicks": "click",
    "pauses": "pause",
    "rents": "rent",
    "searches": "search",
}


def activity_of(events: ir.Table) -> ir.Table:
    """A row for each customer and day, from the events of whole days."""
    dated = events.mutate(day=events.occurred_at.date())
    before = dated.occurred_at.lag().over(
        group_by=["day", "customer_id"], order_by=[dated.occurred_at, dated.event_id]
    )
    gap = dated.occurred_at.epoch_seconds() - before.epoch_seconds()
    begun = dated.mutate(begins=(before.isnull() | (gap >= SESSION_SECONDS)).cast("int32"))
    counts = {
        name: (begun.kind == kind).cast("int32").sum().cast("int32")
        for name, kind in COUNTED.items()
    }
    each = begun.group_by("day", "customer_id").aggregate(
        seconds=begun.seconds.fill_null(0.0).sum(),
        events=begun.count().cast("int32"),
        sessions=begun.begins.sum().cast("int32"),
        films=begun.film_id.nunique().cast("int32"),
        **counts,
    )
    followed = rents_after_views(events)
    same = followed.filter(followed.viewed_film_id == followed.rented_film_id)
    rented = same.group_by("day", "customer_id").aggregate(rented=same.count())
    both = each.left_join(rented, ["day", "customer_id"])
    return both.select(*each.columns, rented_after_viewed=both.rented.fill_null(0).cast("int32"))


def rents_after_views(events: ir.Table) -> ir.Table:
    """Which films each customer has rented on a day after he first viewed which films."""
    of_films = events.filter(events.film_id.notnull()).mutate(day=events.occurred_at.date())
    viewed = of_films.filter(of_films.kind == "view")
    rented = of_films.filter(of_films.kind == "rent")
    keys = ["day", "customer_id", "film_id"]
    views = viewed.group_by(keys).aggregate(viewed=viewed.occurred_at.min())
    rents = rented.group_by(keys).aggregate(rented=rented.occurred_at.max())
    both = views.rename(viewed_film_id="film_id").join(
        rents.rename(rented_film_id="film_id"), ["day", "customer_id"]
    )
    followed = both.filter(both.viewed < both.rented)
    between = followed.rented.epoch_seconds() - followed.viewed.epoch_seconds()
    return followed.select(
        "customer_id", "viewed_film_id", "rented_film_id", "day", seconds=between.cast("int64")
    )
