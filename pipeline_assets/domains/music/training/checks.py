"""Nothing that validation or test know may be known to training."""

from typing import Final

import ibis.expr.types as ir

from pipeline_assets.dataset.asset import check
from pipeline_assets.dataset.training import leaks

_SCOPE: Final = ()


@check("error")
def every_pair_is_an_interaction(interactions: ir.Table, user_top_artists: ir.Table) -> ir.Table:
    """Every listener and artist of any snapshot has one row."""
    return user_top_artists.anti_join(interactions, ["user_id", "artist_name"])


@check("error")
def nobody_is_trained_on_later_than_tested(interactions: ir.Table) -> ir.Table:
    """Of each listener, training comes before validation and that before test."""
    return leaks.out_of_order(interactions, _SCOPE)


@check("error")
def training_ends_before_validation_begins(interactions: ir.Table) -> ir.Table:
    """Split by time, the latest day of training is before the earliest of validation."""
    return leaks.later_than_a_cut(interactions, _SCOPE)


@check("error")
def listeners_are_known_from_training(interactions: ir.Table) -> ir.Table:
    """Only listeners of the training part have an index of their own."""
    return leaks.not_from_training(interactions, _SCOPE, "user_id", "user_index")


@check("error")
def artists_are_known_from_training(interactions: ir.Table) -> ir.Table:
    """Only artists of the training part have an index of their own."""
    return leaks.not_from_training(interactions, _SCOPE, "artist_name", "item_index")


@check("error")
def an_index_is_of_one_listener(interactions: ir.Table) -> ir.Table:
    """No two listeners have one index."""
    return leaks.ambiguous(interactions, _SCOPE, "user_id", "user_index")


@check("error")
def an_index_is_of_one_artist(interactions: ir.Table) -> ir.Table:
    """No two artists have one index."""
    return leaks.ambiguous(interactions, _SCOPE, "artist_name", "item_index")


@check("error")
def no_candidate_was_chosen(candidates: ir.Table, interactions: ir.Table) -> ir.Table:
    """What counts as not chosen, the listener never listed."""
    return leaks.known_candidates(candidates, interactions, _SCOPE)


@check("error")
def one_candidate_was_chosen(candidates: ir.Table) -> ir.Table:
    """Each interaction is among its candidates, once."""
    return leaks.without_their_choice(candidates, _SCOPE)
