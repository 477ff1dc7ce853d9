"""Which tokens have an index, and how a vocabulary goes on from the one that is published."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.training.conventions import FIRST_INDEX
from pipeline_assets.domains.taobao.training.contracts import FIELDS

_TOKEN = ("feature_name", "feature_id")


def in_training(
    core_features: ir.Table,
    common_features: ir.Table,
    impressions: ir.Table,
    user_groups: ir.Table,
) -> ir.Table:
    """The tokens of the training part: those of train, without the users who are held back."""
    train = user_groups.filter(user_groups.split == "train")
    held_back = train.filter(train.part != "train").select("split", "common_features_index")
    of_users = common_features.filter(common_features.split == "train")
    of_items = core_features.filter(core_features.split == "train")
    theirs = impressions.semi_join(held_back, ["split", "common_features_index"])
    theirs = theirs.select("split", "sample_id")
    return ibis.union(
        of_items.anti_join(theirs, ["split", "sample_id"]).select(*_TOKEN),
        of_users.anti_join(held_back, ["split", "common_features_index"]).select(*_TOKEN),
    )


def counted(tokens: ir.Table) -> ir.Table:
    """How many tokens there are of each id of the fields that have columns."""
    known = tokens.filter(tokens.feature_name.isin(FIELDS))
    return known.group_by(_TOKEN).aggregate(count=known.count())


def continued(published: ir.Table, counts: ir.Table, min_count: int) -> ir.Table:
    """What is published with today's counts, and behind it what is new and frequent enough.

    New tokens of a field follow one another by how many there are, equal ones by their id.
    """
    kept = published.select(*_TOKEN, "index").left_join(counts, _TOKEN)
    kept = kept.select(*_TOKEN, "index", count=kept["count"].fill_null(0))
    fresh = counts.filter(counts["count"] >= min_count).anti_join(published, _TOKEN)
    last = published.group_by("feature_name").aggregate(last=published["index"].max())
    place = ibis.row_number().over(
        group_by=fresh.feature_name, order_by=[fresh["count"].desc(), fresh.feature_id]
    )
    placed = fresh.mutate(place=place).left_join(last, "feature_name")
    first = placed["last"].fill_null(FIRST_INDEX - 1) + 1
    added = placed.select(*_TOKEN, "count", index=(first + placed.place).cast("int32"))
    return kept.union(added.select(*_TOKEN, "index", "count"))
