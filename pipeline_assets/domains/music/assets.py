"""Listening data to rankings, embeddings and neighbours."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import ibis
import ibis.expr.types as ir
from pydantic import Field

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.asset import ingest_asset, lake_asset
from pipeline_assets.dataset.computation import Learn
from pipeline_assets.dataset.inputs import Landed
from pipeline_assets.dataset.values.destinations import ByKey
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.music.checks import (
    artists_are_listed_once,
    artists_have_a_context,
    every_play_accounted,
    every_top_artist_accounted,
    every_user_accounted,
    listeners_have_a_vector,
    vectors_have_a_direction,
    vectors_of_listeners_have_a_direction,
)
from pipeline_assets.domains.music.contracts import (
    MUSIC,
    ArtistEmbeddings,
    ArtistRankInCountry,
    CountryRankPerArtist,
    RawUsers,
    RawUserTopArtists,
    RejectedRows,
    SimilarArtists,
    UserEmbeddings,
    Users,
    UserTopArtists,
)
from pipeline_assets.domains.music.deliveries import (
    LISTENING,
    TOP_ARTISTS,
    USERS,
    delivered_records,
)
from pipeline_assets.domains.music.plots import ARTIST_MAP, LEADERS
from pipeline_assets.domains.music.records import (
    judged_top_artists,
    judged_users,
    rejected,
    sound,
)
from pipeline_assets.domains.music.vectors import has_direction, in_blocks, weighted_means
from pipeline_assets.landing.fields import as_whole, is_nothing
from pipeline_assets.partitions import SNAPSHOTS

if TYPE_CHECKING:
    import pyarrow as pa


class RankingConfig(dg.Config):
    """How rankings are computed."""

    min_listeners: int = Field(
        default=1,
        ge=1,
        description="An artist needs this many listeners in a country to be ranked there.",
    )


class EmbeddingConfig(dg.Config):
    """How artist vectors are learnt."""

    vector_size: int = Field(default=50, ge=2, le=1000, description="Dimensions of a vector.")
    window: int = Field(default=5, ge=1, le=100, description="Context on either side.")
    negative: int = Field(default=5, ge=1, le=50, description="Counter-examples of each pair.")
    epochs: int = Field(default=10, ge=1, le=1000, description="Passes over the lists.")
    min_count: int = Field(
        default=5,
        ge=1,
        description="Artists of fewer listeners get no vector: it would point at those few lists "
        "and crowd everyone's neighbours.",
    )
    seed: int = Field(default=1, ge=0, lt=2**32, description="Same seed and input, same vectors.")


class NeighbourConfig(dg.Config):
    """How neighbours are found."""

    neighbours: int = Field(default=10, ge=1, le=1000, description="Neighbours of each artist.")


@ingest_asset(
    domain=MUSIC, contract=RawUsers, code_version="2", partitions=SNAPSHOTS, landing=LISTENING
)
def raw_users(deliveries: Landed, workspace: Workspace) -> "Iterator[pa.RecordBatch]":
    """The users as delivered, as text."""
    return delivered_records(USERS, deliveries, workspace)


@ingest_asset(
    domain=MUSIC,
    contract=RawUserTopArtists,
    code_version="2",
    partitions=SNAPSHOTS,
    landing=LISTENING,
)
def raw_user_top_artists(deliveries: Landed, workspace: Workspace) -> "Iterator[pa.RecordBatch]":
    """Everyone's top artists as delivered, as text."""
    return delivered_records(TOP_ARTISTS, deliveries, workspace)


@lake_asset(
    domain=MUSIC,
    contract=Users,
    partitions=SNAPSHOTS,
    checks=[every_user_accounted],
    delivery=Delivery(read="raw_users"),
)
def users(raw_users: ir.Table) -> ir.Table:
    """Listeners and where they live."""
    found = sound(judged_users(raw_users))
    return found.select(
        "user_id",
        "snapshot",
        country=ibis.cases((~is_nothing(found.country), found.country)),
        total_scrobbles=as_whole(found.total_scrobbles, "int64"),
    )


@lake_asset(
    domain=MUSIC,
    contract=UserTopArtists,
    partitions=SNAPSHOTS,
    checks=[every_top_artist_accounted, every_play_accounted, artists_are_listed_once],
    delivery=Delivery(read="raw_user_top_artists"),
)
def user_top_artists(raw_user_top_artists: ir.Table, users: ir.Table) -> ir.Table:
    """Whom everyone listens to most; plays of an artist that a list names again are added up."""
    found = sound(judged_top_artists(raw_user_top_artists, users))
    typed = found.select(
        "user_id",
        "artist_name",
        "snapshot",
        rank=as_whole(found["rank"], "int32"),
        playcount=as_whole(found.playcount, "int64"),
        mbid=ibis.cases((~is_nothing(found.mbid), found.mbid)),
    )
    return typed.group_by("snapshot", "user_id", "artist_name").aggregate(
        rank=typed["rank"].min(), playcount=typed.playcount.sum(), mbid=typed.mbid.min()
    )


@lake_asset(domain=MUSIC, contract=RejectedRows, partitions=SNAPSHOTS)
def rejected_rows(raw_users: ir.Table, raw_user_top_artists: ir.Table, users: ir.Table) -> ir.Table:
    """Every record that cannot be used, kept with its place and the reason."""
    top_artists = judged_top_artists(raw_user_top_artists, users)
    return rejected(judged_users(raw_users), USERS.columns.names).union(
        rejected(top_artists, TOP_ARTISTS.columns.names)
    )


@lake_asset(domain=MUSIC, contract=ArtistRankInCountry, partitions=SNAPSHOTS, plots=[LEADERS])
def artist_rank_in_country(
    user_top_artists: ir.Table, users: ir.Table, config: RankingConfig
) -> ir.Table:
    """Each country's artists, the most played first; ties by name."""
    plays = _plays_by_country(user_top_artists, users)
    ranked = plays.filter(plays.listeners >= config.min_listeners)
    place = ibis.row_number().over(
        group_by=["snapshot", "country"],
        order_by=[ranked.total_playcount.desc(), ranked.artist_name],
    )
    return ranked.select(
        "country", "artist_name", "total_playcount", "snapshot", rank=(place + 1).cast("int32")
    )


@lake_asset(
    domain=MUSIC,
    contract=CountryRankPerArtist,
    partitions=SNAPSHOTS,
    to_keys=ByKey("artist_name", order=("rank",)),
)
def country_rank_per_artist(
    user_top_artists: ir.Table, users: ir.Table, config: RankingConfig
) -> ir.Table:
    """Each artist's countries, the most devoted first; ties by country.

    Without a minimum of listeners, tiny countries lead every list.
    """
    plays = _plays_by_country(user_top_artists, users)
    of_country = plays.total_playcount.sum().over(group_by=["snapshot", "country"])
    shares = plays.mutate(normalized_popularity=plays.total_playcount / of_country)
    ranked = shares.filter(shares.listeners >= config.min_listeners)
    place = ibis.row_number().over(
        group_by=["snapshot", "artist_name"],
        order_by=[ranked.normalized_popularity.desc(), ranked.country],
    )
    return ranked.mutate(rank=(place + 1).cast("int32")).drop("listeners")


@lake_asset(
    domain=MUSIC,
    contract=ArtistEmbeddings,
    partitions=SNAPSHOTS,
    checks=[vectors_have_a_direction, artists_have_a_context],
    plots=[ARTIST_MAP],
    partitions_per_run=1,
)
def artist_embeddings(user_top_artists: ir.Table, config: EmbeddingConfig) -> Learn:
    """Artists as vectors, close where the same people listen to them.

    An artist that stands beside no other one in anybody's list has no context to learn from, and
    so no vector; a check counts them.
    """
    lists = user_top_artists.select("user_id", "artist_name", weight=_weight(user_top_artists))
    listeners = lists.group_by("artist_name").aggregate(listeners=lists.count())
    known = listeners.filter(listeners.listeners >= config.min_count)
    parameters = config.model_dump(exclude={"min_count"})
    return Learn("word2vec", lists.semi_join(known, "artist_name"), parameters)


@lake_asset(
    domain=MUSIC,
    contract=UserEmbeddings,
    partitions=SNAPSHOTS,
    checks=[vectors_of_listeners_have_a_direction, listeners_have_a_vector],
)
def user_embeddings(user_top_artists: ir.Table, artist_embeddings: ir.Table) -> ir.Table:
    """Listeners as the weighted mean of their artists' vectors.

    Left out is who has no artist with a vector, or artists whose vectors cancel out.
    """
    weighted = user_top_artists.mutate(weight=_weight(user_top_artists))
    heard = weighted.join(in_blocks(artist_embeddings), ["snapshot", "artist_name"])
    means = weighted_means(heard, ["snapshot", "user_id"])
    return means.filter(has_direction(means.embedding))


@lake_asset(
    domain=MUSIC,
    contract=SimilarArtists,
    partitions=SNAPSHOTS,
    partitions_per_run=1,
    to_keys=ByKey("artist_name", order=("rank",)),
)
def similar_artists(artist_embeddings: ir.Table, config: NeighbourConfig) -> Learn:
    """Every artist's nearest neighbours by cosine; ties by name."""
    vectors = artist_embeddings.select("artist_name", "embedding")
    return Learn("neighbours", vectors, {"k": config.neighbours})


def _plays_by_country(user_top_artists: ir.Table, users: ir.Table) -> ir.Table:
    """Plays and listeners of every artist in every country that is known."""
    located = user_top_artists.join(users.filter(users.country.notnull()), ["snapshot", "user_id"])
    return located.group_by("snapshot", "country", "artist_name").aggregate(
        total_playcount=located.playcount.sum().cast("float64"),
        listeners=located.count(),
    )


def _weight(top_artists: ir.Table) -> ir.IntegerColumn:
    """Round half up (1 + log10(playcount))."""
    return (top_artists.playcount.log10() + 1.5).floor().cast("int32")
