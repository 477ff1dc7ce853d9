"""What a model has to rank: what a user did next, among things that he never had to do with.

Which things is drawn by arithmetic on 64-bit whole numbers, so that every engine draws the same.
"""

from collections.abc import Sequence
from typing import Final

import dagster as dg
import ibis
import ibis.expr.types as ir
from pydantic import Field

from pipeline_assets.dataset.training.conventions import FIRST_INDEX

_PRIME: Final = 2_147_483_647
"""A square of what is below it fits into 64 bits."""
_ROUNDS: Final = (1_103_515_245, 48_271, 69_621)
_SPARE: Final = 10


class CandidateConfig(dg.Config):
    """Which candidates an interaction is ranked among."""

    negatives: int = Field(
        default=20, ge=1, le=1_000, description="Things beside each one that a user chose."
    )
    seed: int = Field(default=1, ge=0, lt=_PRIME, description="Another seed draws others.")


def candidates(interactions: ir.Table, scope: Sequence[str], config: CandidateConfig) -> ir.Table:
    """The interactions of validation and test, each with things that its user never chose.

    Users and things that training does not know are left out. A user who chose nearly everything
    has fewer candidates.

    Args:
        interactions: With dense ids and parts.
        scope: The columns within which they are numbered.
        config: How many, and which.
    """
    known = (interactions.user_index >= FIRST_INDEX) & (interactions.item_index >= FIRST_INDEX)
    chosen = interactions.filter(known & (interactions.part != "train"))
    kept = [*scope, "interaction_id", "user_index", "part"]
    positive = chosen.select(*kept, "item_index", place=ibis.literal(0, "int32"))
    drawn = _drawn(chosen.select(*kept), _sizes(interactions, scope), scope, config)
    strange = drawn.anti_join(interactions, [*scope, "user_index", "item_index"])
    first = strange.group_by(*kept, "item_index").aggregate(draw=strange.draw.min())
    place = ibis.row_number().over(group_by=[*scope, "interaction_id"], order_by=first.draw)
    negative = first.select(*kept, "item_index", place=(place + 1).cast("int32"))
    both = positive.union(negative.filter(negative.place <= config.negatives))
    return both.mutate(choice_label=(both.place == 0).cast("int32"))


def _sizes(interactions: ir.Table, scope: Sequence[str]) -> ir.Table:
    """How many things training knows."""
    items = (interactions.item_index.max() - FIRST_INDEX + 1).cast("int64")
    return interactions.aggregate(by=list(scope), items=items)


def _drawn(
    chosen: ir.Table, sizes: ir.Table, scope: Sequence[str], config: CandidateConfig
) -> ir.Table:
    """More draws than are needed, because some are repeats or were chosen."""
    draws = ibis.range(0, 2 * config.negatives + _SPARE).cast("array<int64>").unnest()
    each = chosen.mutate(draw=draws)
    each = each.inner_join(sizes, scope) if scope else each.cross_join(sizes)
    word = (each.interaction_id * _ROUNDS[0] + config.seed) % _PRIME
    rows = each.mutate(word=(word + each.draw * _ROUNDS[1]) % _PRIME)
    for factor in _ROUNDS:
        # A square, because sums alone would draw the same distances for every interaction.
        rows = rows.mutate(word=(rows.word * rows.word + rows.word * factor + 1) % _PRIME)
    item = (rows.word % rows["items"] + FIRST_INDEX).cast("int32")
    return rows.mutate(item_index=item).drop("word", "items")
