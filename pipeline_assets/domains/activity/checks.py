"""What must hold across the activity tables."""

import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import unaccounted
from pipeline_assets.dataset.asset import check
from pipeline_assets.domains.activity.records import REPEATED, rejected


@check("error")
def every_line_accounted(events: ir.Table, raw_events: ir.Table) -> ir.Table:
    """Events and rejected rows together are the lines that landed."""
    return unaccounted("hour", raw_events, events, rejected(raw_events))


@check("warn")
def events_come_once(events: ir.Table, raw_events: ir.Table) -> ir.Table:
    """No event is delivered more than once; those that are count once, the others are rejected."""
    rejects = rejected(raw_events)
    repeated = rejects.filter(rejects.reason == REPEATED).drop("raw", "reason")
    return repeated.semi_join(events, "hour")


@check("error")
def every_event_counts_once(customer_activity: ir.Table, events: ir.Table) -> ir.Table:
    """The events of a day's customers are the events of its hours."""
    counted = customer_activity.group_by("day").aggregate(
        counted=customer_activity.events.sum().cast("int64")
    )
    there = events.group_by(day=events.occurred_at.date()).aggregate(there=events.count())
    both = counted.outer_join(there, "day")
    return both.filter(both.counted.fill_null(0) != both.there.fill_null(0)).select(
        "counted", "there", day=both.day.coalesce(both.day_right)
    )
