"""Top artists to interactions that a recommender is trained and tested on."""

import dagster as dg
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
from pipeline_assets.domains.music.contracts import MUSIC
from pipeline_assets.domains.music.training.checks import (
    an_index_is_of_one_artist,
    an_index_is_of_one_listener,
    artists_are_known_from_training,
    every_pair_is_an_interaction,
    listeners_are_known_from_training,
    no_candidate_was_chosen,
    nobody_is_trained_on_later_than_tested,
    one_candidate_was_chosen,
    training_ends_before_validation_begins,
)
from pipeline_assets.domains.music.training.contracts import Candidates, Interactions


@lake_asset(
    domain=MUSIC,
    tags=TRAINING_SET,
    contract=Interactions,
    mappings={"user_top_artists": dg.AllPartitionMapping()},
    checks=[
        every_pair_is_an_interaction,
        nobody_is_trained_on_later_than_tested,
        training_ends_before_validation_begins,
        listeners_are_known_from_training,
        artists_are_known_from_training,
        an_index_is_of_one_listener,
        an_index_is_of_one_artist,
    ],
)
def interactions(user_top_artists: ir.Table, config: InteractionSplit) -> ir.Table:
    """Who listed whom since which snapshot, as dense ids, split for training.

    Of one snapshot, the artist whom a listener played least counts as the last.
    """
    pair = ["user_id", "artist_name"]
    place = ibis.row_number().over(group_by=pair, order_by=user_top_artists.snapshot)
    first = user_top_artists.mutate(place=place).filter(ibis._.place == 0)
    events = first.select(
        *pair,
        "playcount",
        happened_on=first.snapshot.try_cast("date"),
        played_less=-first.playcount,
    )
    events = numbered(events, [], ["played_less", *pair]).drop("played_less")
    return split_and_indexed(events, [], config, "user_id", "artist_name")


@lake_asset(
    domain=MUSIC,
    tags=TRAINING_SET,
    contract=Candidates,
    checks=[no_candidate_was_chosen, one_candidate_was_chosen],
)
def candidates(interactions: ir.Table, config: CandidateConfig) -> ir.Table:
    """What a model ranks: the artist who came next among some who never did."""
    return drawn_candidates(interactions, [], config)
