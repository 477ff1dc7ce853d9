"""Reviews to interactions that a recommender is trained and tested on."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import lake_asset
from pipeline_assets.dataset.options import TRAINING_SET
from pipeline_assets.dataset.training.candidates import CandidateConfig
from pipeline_assets.dataset.training.candidates import candidates as drawn_candidates
from pipeline_assets.dataset.training.interactions import (
    InteractionSplit,
    numbered,
    split_and_indexed,
)
from pipeline_assets.domains.ratings.contracts import RATINGS
from pipeline_assets.domains.ratings.training.checks import (
    an_index_is_of_one_customer,
    an_index_is_of_one_product,
    customers_are_known_from_training,
    every_interaction_has_a_history,
    every_pair_is_an_interaction,
    no_candidate_was_chosen,
    nobody_is_trained_on_later_than_tested,
    one_candidate_was_chosen,
    products_are_known_from_training,
    training_ends_before_validation_begins,
)
from pipeline_assets.domains.ratings.training.contracts import (
    Candidates,
    InteractionHistories,
    Interactions,
)
from pipeline_assets.domains.ratings.training.histories import with_histories
from pipeline_assets.partitions import CATEGORIES


@lake_asset(
    domain=RATINGS,
    tags=TRAINING_SET,
    contract=Interactions,
    partitions=CATEGORIES,
    checks=[
        every_pair_is_an_interaction,
        nobody_is_trained_on_later_than_tested,
        training_ends_before_validation_begins,
        customers_are_known_from_training,
        products_are_known_from_training,
        an_index_is_of_one_customer,
        an_index_is_of_one_product,
    ],
)
def interactions(reviews: ir.Table, config: InteractionSplit) -> ir.Table:
    """Who reviewed what first when, as dense ids, split for training."""
    pair = ["category", "customer_id", "product_id"]
    usable = reviews.filter(
        reviews.customer_id.notnull()
        & reviews.product_id.notnull()
        & reviews.review_date.notnull()
        & reviews.star_rating.notnull()
    )
    place = ibis.row_number().over(group_by=pair, order_by=[usable.review_date, usable.star_rating])
    first = usable.mutate(place=place).filter(ibis._.place == 0)
    events = first.select(*pair, rating=first.star_rating, happened_on=first.review_date)
    events = numbered(events, ["category"], ["customer_id", "product_id"])
    return split_and_indexed(events, ["category"], config, "customer_id", "product_id")


@lake_asset(
    domain=RATINGS,
    tags=TRAINING_SET,
    contract=Candidates,
    partitions=CATEGORIES,
    checks=[no_candidate_was_chosen, one_candidate_was_chosen],
)
def candidates(interactions: ir.Table, config: CandidateConfig) -> ir.Table:
    """What a model ranks: the product that was reviewed among some that never were."""
    return drawn_candidates(interactions, ["category"], config)


@lake_asset(
    domain=RATINGS,
    tags=TRAINING_SET,
    contract=InteractionHistories,
    partitions=CATEGORIES,
    checks=[every_interaction_has_a_history],
)
def interaction_histories(interactions: ir.Table, reviews: ir.Table) -> ir.Table:
    """How much the customer had reviewed before, and how the product had been reviewed."""
    return with_histories(interactions, reviews)
