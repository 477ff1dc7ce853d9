"""Joins of events with what was known of something at that time, and nothing later.

A fact becomes known when it is true and published, whichever is later. Of the facts that an event
may know, the latest counts. One window over facts and events together finds it, because every
engine has windows, and joins of inequalities compare each event with each fact.
"""

import ibis
import ibis.expr.types as ir

_IS_EVENT = "is_event"


def as_of(
    events: ir.Table,
    facts: ir.Table,
    *,
    key: list[str],
    at: str,
    true_from: str,
    published: str | None = None,
    prefix: str = "",
) -> ir.Table:
    """Events with the columns of the latest fact from before them, null where there is none.

    Args:
        events: Each with a column ``at``; a fact from the same moment is not before it.
        facts: Of one key, no two are true from the same moment and published at the same.
        key: The columns that events and facts share.
        at: When an event happened.
        true_from: From when on a fact is true; of the type of ``at``.
        published: When a fact was published, of the same type; by default as soon as it is true.
        prefix: Before the names of the columns of facts.
    """
    known = (
        facts[true_from] if published is None else ibis.greatest(facts[true_from], facts[published])
    )
    order = [facts[true_from]] if published is None else [facts[true_from], facts[published]]
    place = ibis.row_number().over(group_by=key, order_by=order)
    ranked = facts.mutate(fact_place=place.cast("int64"), known_from=known)
    both = ibis.union(
        ranked.select(*key, "known_from", "fact_place", **{_IS_EVENT: ibis.literal(0, "int32")}),
        events.select(
            *key,
            known_from=events[at],
            fact_place=ibis.null("int64"),
            **{_IS_EVENT: ibis.literal(1, "int32")},
        ).distinct(),
    )
    before = ibis.window(
        group_by=key,
        # Events first: a fact from the same moment comes behind them.
        order_by=[both.known_from, both[_IS_EVENT].desc()],
        rows=(None, 0),
    )
    latest = both.mutate(fact_place=both.fact_place.max().over(before))
    of_events = latest.filter(latest[_IS_EVENT] == 1).select(
        *key, "fact_place", **{at: latest.known_from}
    )
    values = [name for name in facts.columns if name not in (*key, true_from, published)]
    renamed = ranked.select(*key, "fact_place", **{f"{prefix}{it}": ranked[it] for it in values})
    found = of_events.left_join(renamed, [*key, "fact_place"])
    found = found.select(*key, at, *(f"{prefix}{name}" for name in values))
    joined = events.left_join(found, [*key, at])
    return joined.select(*events.columns, *(f"{prefix}{name}" for name in values))
