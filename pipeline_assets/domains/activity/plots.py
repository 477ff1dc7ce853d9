"""Pictures of what customers do."""

import ibis.expr.types as ir

from pipeline_assets.dataset.plots import Plot, bars


def _by_kind(events: ir.Table) -> ir.Table:
    return events.group_by("kind").aggregate(events=events.count()).order_by("kind")


EVENTS_BY_KIND = Plot("events_by_kind", _by_kind, bars("kind", "events", label="events"))
