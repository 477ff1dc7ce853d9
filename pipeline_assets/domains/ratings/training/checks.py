"""Nothing that validation or test know may be known to training."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import check
from pipeline_assets.dataset.training import leaks

_SCOPE = ("category",)


@check("error")
def every_pair_is_an_interaction(interactions: ir.Table, reviews: ir.Table) -> ir.Table:
    """Every customer and product with a dated review with stars has one row."""
    usable = reviews.filter(reviews.review_date.notnull() & reviews.star_rating.notnull())
    usable = usable.filter(usable.customer_id.notnull() & usable.product_id.notnull())
    pairs = usable.select(*_SCOPE, "customer_id", "product_id").distinct()
    changes = ibis.union(
        pairs.select(*_SCOPE, change=ibis.literal(1, "int64")),
        interactions.select(*_SCOPE, change=ibis.literal(-1, "int64")),
    )
    balance = changes.group_by(*_SCOPE).aggregate(missing=changes.change.sum())
    return balance.filter(balance.missing != 0)


@check("error")
def nobody_is_trained_on_later_than_tested(interactions: ir.Table) -> ir.Table:
    """Of each customer, training comes before validation and that before test."""
    return leaks.out_of_order(interactions, _SCOPE)


@check("error")
def training_ends_before_validation_begins(interactions: ir.Table) -> ir.Table:
    """Split by time, the latest day of training is before the earliest of validation."""
    return leaks.later_than_a_cut(interactions, _SCOPE)


@check("error")
def customers_are_known_from_training(interactions: ir.Table) -> ir.Table:
    """Only customers of the training part have an index of their own."""
    return leaks.not_from_training(interactions, _SCOPE, "customer_id", "user_index")


@check("error")
def products_are_known_from_training(interactions: ir.Table) -> ir.Table:
    """Only products of the training part have an index of their own."""
    return leaks.not_from_training(interactions, _SCOPE, "product_id", "item_index")


@check("error")
def an_index_is_of_one_customer(interactions: ir.Table) -> ir.Table:
    """No two customers have one index."""
    return leaks.ambiguous(interactions, _SCOPE, "customer_id", "user_index")


@check("error")
def an_index_is_of_one_product(interactions: ir.Table) -> ir.Table:
    """No two products have one index."""
    return leaks.ambiguous(interactions, _SCOPE, "product_id", "item_index")


@check("error")
def no_candidate_was_chosen(candidates: ir.Table, interactions: ir.Table) -> ir.Table:
    """What counts as not chosen, the customer never reviewed."""
    return leaks.known_candidates(candidates, interactions, _SCOPE)


@check("error")
def one_candidate_was_chosen(candidates: ir.Table) -> ir.Table:
    """Each interaction is among its candidates, once."""
    return leaks.without_their_choice(candidates, _SCOPE)


@check("error")
def every_interaction_has_a_history(
    interaction_histories: ir.Table, interactions: ir.Table
) -> ir.Table:
    """The table has a row for every interaction."""
    return interactions.anti_join(interaction_histories, [*_SCOPE, "interaction_id"])
