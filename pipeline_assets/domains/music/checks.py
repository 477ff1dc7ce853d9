"""What must hold across the music tables."""

import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import unaccounted
from pipeline_assets.dataset.asset import check
from pipeline_assets.domains.music.records import (
    judged_top_artists,
    judged_users,
    unsound,
)


@check("error")
def every_user_accounted(users: ir.Table, raw_users: ir.Table) -> ir.Table:
    """Users and rejected records together are the users that were delivered."""
    return unaccounted("snapshot", raw_users, users, unsound(judged_users(raw_users)))


@check("error")
def every_top_artist_accounted(
    user_top_artists: ir.Table, raw_user_top_artists: ir.Table, users: ir.Table
) -> ir.Table:
    """Top artists and rejected records together are the top artists that were delivered."""
    rejects = unsound(judged_top_artists(raw_user_top_artists, users))
    return unaccounted("snapshot", raw_user_top_artists, user_top_artists, rejects)


@check("error")
def vectors_are_finite(artist_embeddings: ir.Table) -> ir.Table:
    """No coordinate of any vector is infinite or not a number."""
    broken = artist_embeddings.embedding.filter(lambda each: each.isnan() | each.isinf())
    return artist_embeddings.filter(broken.length() > 0)
