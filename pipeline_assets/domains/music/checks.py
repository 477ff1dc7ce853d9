"""What must hold across the music tables."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import check


@check("error")
def every_record_accounted(
    rejected_rows: ir.Table,
    raw_users: ir.Table,
    raw_user_top_artists: ir.Table,
    users: ir.Table,
    user_top_artists: ir.Table,
) -> ir.Table:
    """Accepted and rejected records together are the records that were delivered."""
    delivered = raw_users.select("snapshot").union(raw_user_top_artists.select("snapshot"))
    kept = ibis.union(
        users.select("snapshot"),
        user_top_artists.select("snapshot"),
        rejected_rows.select("snapshot"),
    )
    changes = delivered.mutate(records=1).union(kept.mutate(records=-1))
    balance = changes.group_by("snapshot").aggregate(unaccounted=changes.records.sum())
    return balance.filter(balance.unaccounted != 0)


@check("error")
def vectors_are_finite(artist_embeddings: ir.Table) -> ir.Table:
    """No coordinate of any vector is infinite or not a number."""
    broken = artist_embeddings.embedding.filter(lambda each: each.isnan() | each.isinf())
    return artist_embeddings.filter(broken.length() > 0)
