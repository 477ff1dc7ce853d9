"""From delivered lines to events: one verdict on each line, for accepting and rejecting.

Of events with one identifier the first is kept: the one in the object whose name sorts first, and
there the one that comes first. Objects of batches are named by the number of the batch.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.domains.activity.contracts import KINDS
from pipeline_assets.landing.any_file import FileRecords
from pipeline_assets.landing.fields import as_whole, is_positive, reasons, text_of

FIELDS: Final = ("event_id", "customer_id", "film_id", "kind", "occurred_at", "seconds")
FILES: Final = FileRecords("jsonl", {name: name for name in FIELDS})
REPEATED: Final = "repeated"
_DIGITS: Final = 9
_MOMENT: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+]00:?00)?\z"
)
_SECONDS: Final = r"^[0-9]{1,9}([.][0-9]+)?([eE][+-]?[0-9]{1,2})?\z"
_TO_MICROSECONDS: Final = 26
"""Characters of a moment up to its microseconds."""


def accepted(raw_events: ir.Table) -> ir.Table:
    """Every sound line as an event, the first of those with one identifier."""
    judged = _judged(raw_events)
    sound = judged.filter(judged.reason.isnull())
    return sound.select(
        "event_id",
        "kind",
        "hour",
        customer_id=as_whole(sound.customer_id, "int32"),
        film_id=as_whole(sound.film_id, "int32"),
        occurred_at=_moment(sound),
        seconds=sound.seconds.try_cast("float64"),
    )


def rejected(raw_events: ir.Table) -> ir.Table:
    """Every other line, with its text and all reasons that apply."""
    judged = _judged(raw_events)
    broken = judged.filter(judged.reason.notnull())
    text = text_of(broken, FIELDS, ",")
    return broken.select(
        "source_uri", "row_number", "reason", "hour", raw=broken.raw.fill_null(text)
    )


def _judged(raw_events: ir.Table) -> ir.Table:
    """The lines with what is wrong with each; a repeated event is one that is sound otherwise."""
    faulty = raw_events.mutate(fault=_fault(raw_events))
    # Lines that are rejected anyway must not make a sound one with their identifier a repetition.
    place = ibis.row_number().over(
        group_by=["hour", "event_id", faulty.fault.isnull()],
        order_by=[faulty.source_uri, faulty.row_number],
    )
    numbered = faulty.mutate(place=place)
    repeated = numbered.fault.isnull() & (numbered.place > 0)
    return numbered.mutate(reason=ibis.cases((repeated, REPEATED), else_=numbered.fault))


def _fault(raw: ir.Table) -> ir.StringValue:
    """What is wrong with a line by itself; null if nothing is. A null fails every test of text."""
    text = {name: raw[name].fill_null("") for name in FIELDS}
    is_object = raw.problem.isnull()
    is_search = text["kind"] == "search"
    is_moment = text["occurred_at"].re_search(_MOMENT) & _moment(raw).notnull()
    has_film = text["film_id"] != ""
    return reasons(
        (~is_object, raw.problem),
        (is_object & (text["event_id"] == ""), "bad_event_id"),
        (is_object & ~is_positive(text["customer_id"], _DIGITS), "bad_customer_id"),
        (
            is_object & ~is_positive(text["film_id"], _DIGITS) & (has_film | ~is_search),
            "bad_film_id",
        ),
        (is_object & ~text["kind"].isin(KINDS), "bad_kind"),
        (is_object & ~is_moment.fill_null(ibis.literal(False)), "bad_occurred_at"),
        (is_object & is_moment & (_hour(raw) != raw.hour), "other_hour"),
        (
            is_object & (text["seconds"] != "") & ~text["seconds"].re_search(_SECONDS),
            "bad_seconds",
        ),
    )


def _moment(raw: ir.Table) -> ir.TimestampValue:
    """The time of an event, to the microsecond; Z and +00:00 say that it is in UTC, as it is."""
    text = raw.occurred_at.substr(0, _TO_MICROSECONDS).replace("T", " ")
    return text.re_replace(r"(Z|[+].*)\z", "").try_cast("timestamp")


def _hour(raw: ir.Table) -> ir.StringValue:
    return raw.occurred_at.substr(0, len("2026-01-31T23")).replace(" ", "T")
