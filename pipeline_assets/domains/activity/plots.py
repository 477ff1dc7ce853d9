"""Pictures of what customers do."""

from typing import Final

import ibis.expr.types as ir

from pipeline_assets.dataset.plots import Plot, bars

_MOST: Final = 15


def _by_kind(events: ir.Table) -> ir.Table:
    return events.group_by("kind").aggregate(events=events.count()).order_by("kind")


def _by_film(rents_after_views: ir.Table) -> ir.Table:
    found = rents_after_views
    pair = found.viewed_film_id.cast("string") + " → " + found.rented_film_id.cast("string")
    others = found.filter(found.viewed_film_id != found.rented_film_id).mutate(films=pair)
    counted = others.group_by("films").aggregate(customers=others.customer_id.nunique())
    return counted.order_by(counted.customers.desc(), counted.films).limit(_MOST)


EVENTS_BY_KIND = Plot("events_by_kind", _by_kind, bars("kind", "events", label="events"))
RENTED_AFTER_OTHERS = Plot(
    "rented_after_others",
    _by_film,
    bars("films", "customers", label="customers", horizontal=True),
)
