"""Rows that leak what a model must not have seen. A check of a domain returns them."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.training.conventions import FIRST_INDEX, PARTS


def out_of_order(interactions: ir.Table, scope: Sequence[str]) -> ir.Table:
    """Users who were trained on later than validated, or validated later than tested."""
    users = interactions.group_by(*scope, "user_index").aggregate(
        **_bounds(interactions, "interaction_id")
    )
    # All users that training does not know have one index, and nothing to train on.
    known = users.filter((users.user_index >= FIRST_INDEX) & _overlaps(users))
    return known.select(*scope, "user_index")


def later_than_a_cut(interactions: ir.Table, scope: Sequence[str]) -> ir.Table:
    """Scopes, split by time, whose training ends after their validation begins."""
    cut = interactions.filter(interactions.policy == "by_time")
    bounds = cut.aggregate(by=list(scope), **_bounds(cut, "day"))
    return bounds.filter(_overlaps(bounds, is_strict=True))


def not_from_training(
    interactions: ir.Table, scope: Sequence[str], column: str, index: str
) -> ir.Table:
    """Interactions whose value has an index though training has none of it, or the reverse."""
    train = interactions.filter(interactions.part == "train")
    known = train.select(*scope, column).distinct().mutate(is_trained=True)
    joined = interactions.left_join(known, [*scope, column])
    is_trained = joined.is_trained.fill_null(ibis.literal(False))
    return joined.filter(is_trained != (joined[index] >= FIRST_INDEX)).select(*scope, column)


def ambiguous(interactions: ir.Table, scope: Sequence[str], column: str, index: str) -> ir.Table:
    """Indices of several values; index 1 is of all that training does not know."""
    known = interactions.filter(interactions[index] >= FIRST_INDEX)
    counted = known.group_by(*scope, index).aggregate(values=known[column].nunique())
    return counted.filter(counted["values"] > 1)


def known_candidates(
    candidates: ir.Table, interactions: ir.Table, scope: Sequence[str]
) -> ir.Table:
    """Candidates that count as not chosen though their user chose them at some time."""
    negative = candidates.filter(candidates.choice_label == 0)
    return negative.semi_join(interactions, [*scope, "user_index", "item_index"])


def without_their_choice(candidates: ir.Table, scope: Sequence[str]) -> ir.Table:
    """Interactions whose candidates do not hold exactly one that was chosen."""
    counted = candidates.group_by(*scope, "interaction_id").aggregate(
        chosen=candidates.choice_label.sum()
    )
    return counted.filter(counted.chosen != 1)


def _bounds(rows: ir.Table, column: str) -> dict[str, ir.Value]:
    return {
        f"{name}_{part}": getattr(rows[column], name)(where=rows.part == part)
        for part in PARTS
        for name in ("min", "max")
    }


def _overlaps(bounds: ir.Table, *, is_strict: bool = False) -> ir.BooleanValue:
    """Whether a part goes on after a later one begins; on one day, where that counts as after."""
    pairs = (("train", "validation"), ("validation", "test"), ("train", "test"))
    found = []
    for before, after in pairs:
        last, first = bounds[f"max_{before}"], bounds[f"min_{after}"]
        found.append((last >= first if is_strict else last > first).fill_null(False))
    return ibis.or_(*found)
