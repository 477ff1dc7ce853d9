"""What must hold across the music tables."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import unaccounted
from pipeline_assets.dataset.asset import check
from pipeline_assets.domains.music.records import (
    judged_top_artists,
    judged_users,
    repeats,
    sound,
    unsound,
)
from pipeline_assets.domains.music.vectors import has_direction
from pipeline_assets.landing.fields import as_whole


@check("error")
def every_user_accounted(users: ir.Table, raw_users: ir.Table) -> ir.Table:
    """Users and rejected records together are the users that were delivered."""
    return unaccounted("snapshot", raw_users, users, unsound(judged_users(raw_users)))


@check("error")
def every_top_artist_accounted(
    user_top_artists: ir.Table, raw_user_top_artists: ir.Table, users: ir.Table
) -> ir.Table:
    """Top artists, their repeats and rejected records together are what was delivered."""
    judged = judged_top_artists(raw_user_top_artists, users)
    again = repeats(sound(judged))
    changes = ibis.union(
        raw_user_top_artists.select("snapshot", rows=ibis.literal(1, "int64")),
        user_top_artists.select("snapshot", rows=ibis.literal(-1, "int64")),
        unsound(judged).select("snapshot", rows=ibis.literal(-1, "int64")),
        again.select("snapshot", rows=1 - again.records),
    )
    balance = changes.group_by("snapshot").aggregate(unaccounted=changes.rows.sum())
    return balance.filter(balance.unaccounted != 0)


@check("error")
def every_play_accounted(
    user_top_artists: ir.Table, raw_user_top_artists: ir.Table, users: ir.Table
) -> ir.Table:
    """The plays of all top artists are those of the sound records, repeats included."""
    found = sound(judged_top_artists(raw_user_top_artists, users))
    wide = "decimal(38, 0)"
    changes = user_top_artists.select(
        "snapshot", plays=-user_top_artists.playcount.cast(wide)
    ).union(found.select("snapshot", plays=as_whole(found.playcount, "int64").cast(wide)))
    balance = changes.group_by("snapshot").aggregate(plays=changes.plays.sum())
    return balance.filter(balance.plays != 0)


@check("warn")
def artists_are_listed_once(
    user_top_artists: ir.Table, raw_user_top_artists: ir.Table, users: ir.Table
) -> ir.Table:
    """Nobody's list names an artist twice; the plays of those it does are added up."""
    found = repeats(sound(judged_top_artists(raw_user_top_artists, users)))
    return found.semi_join(user_top_artists, ["snapshot", "user_id", "artist_name"])


@check("error")
def vectors_have_a_direction(artist_embeddings: ir.Table) -> ir.Table:
    """Every vector is finite and not all zeros, so that its cosine with any other is a number."""
    return artist_embeddings.filter(~has_direction(artist_embeddings.embedding))


@check("error")
def vectors_of_listeners_have_a_direction(user_embeddings: ir.Table) -> ir.Table:
    """Every vector is finite and not all zeros, so that its cosine with any other is a number."""
    return user_embeddings.filter(~has_direction(user_embeddings.embedding))


@check("warn")
def artists_have_a_context(artist_embeddings: ir.Table, user_top_artists: ir.Table) -> ir.Table:
    """Every artist has a vector that has as many listeners as one with a vector."""
    heard = user_top_artists.group_by("snapshot", "artist_name").aggregate(
        listeners=user_top_artists.count()
    )
    known = heard.semi_join(artist_embeddings, ["snapshot", "artist_name"])
    least = known.group_by("snapshot").aggregate(least=known.listeners.min())
    unknown = heard.anti_join(artist_embeddings, ["snapshot", "artist_name"])
    compared = unknown.left_join(least, "snapshot")
    lacking = compared.filter(compared.listeners >= compared.least.fill_null(0))
    return lacking.select("snapshot", "artist_name", "listeners")


@check("warn")
def listeners_have_a_vector(user_embeddings: ir.Table, user_top_artists: ir.Table) -> ir.Table:
    """Every listener has an artist with a vector, and so a vector; the others are left out."""
    listeners = user_top_artists.select("snapshot", "user_id").distinct()
    return listeners.anti_join(user_embeddings, ["snapshot", "user_id"])
