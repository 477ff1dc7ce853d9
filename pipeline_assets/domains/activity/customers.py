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
    rented = _rented_after_viewed(dated)
    both = each.left_join(rented, ["day", "customer_id"])
    return both.select(*each.columns, rented_after_viewed=both.rented.fill_null(0).cast("int32"))


def _rented_after_viewed(dated: ir.Table) -> ir.Table:
    """How many films each customer has viewed before he rented them that day."""
    is_view, is_rent = dated.kind == "view", dated.kind == "rent"
    films = dated.group_by("day", "customer_id", "film_id").aggregate(
        viewed=dated.occurred_at.min(where=is_view), rented=dated.occurred_at.max(where=is_rent)
    )
    followed = films.filter(films.film_id.notnull() & (films.viewed < films.rented))
    return followed.group_by("day", "customer_id").aggregate(rented=followed.count())
