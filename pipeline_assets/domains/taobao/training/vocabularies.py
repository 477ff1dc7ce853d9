"""Which tokens have an index, and how a vocabulary goes on from the one that is published."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.training.conventions import FIRST_INDEX
from pipeline_assets.domains.taobao.training.contracts import FIELDS

_TOKEN = ("feature_name", "feature_id")


def held_back(impressions: ir.Table, user_groups: ir.Table) -> tuple[ir.Table, ir.Table]:
    """The impressions and the users of train that no model is trained on, by their keys.

    Hardly a policy of splits holds many back, and the vendor's own none at all.
    """
    train = user_groups.filter(user_groups.split == "train")
    users = train.filter(train.part != "train").select("split", "common_features_index")
    theirs = impressions.semi_join(users, ["split", "common_features_index"])
    return theirs.select("split", "sample_id"), users


def counted(
    core_features: ir.Table,
    common_features: ir.Table,
    impressions: ir.Table,
    user_groups: ir.Table,
) -> ir.Table:
    """How many tokens there are of each id in a split, and how many of them are for training."""
    theirs, users = held_back(impressions, user_groups)
    tokens = ibis.union(
        _marked(core_features, theirs, "sample_id"),
        _marked(common_features, users, "common_features_index"),
    )
    counts = tokens.group_by("split", *_TOKEN).aggregate(
        count=tokens.count(), held_back=tokens.is_held_back.count()
    )
    in_training = ibis.ifelse(counts.split == "train", counts["count"] - counts.held_back, 0)
    return counts.select("split", *_TOKEN, "count", training_count=in_training)


def _marked(tokens: ir.Table, held: ir.Table, key: str) -> ir.Table:
    """The tokens, with a mark on those that are held back and null on all others."""
    marked = held.mutate(is_held_back=True)
    return tokens.left_join(marked, ["split", key]).select("split", *_TOKEN, "is_held_back")


def in_training(token_counts: ir.Table) -> ir.Table:
    """The tokens of the training part, of fields that have columns: how many there are of each."""
    train = token_counts.filter(
        token_counts.split == "train",
        token_counts.training_count > 0,
        token_counts.feature_name.isin(FIELDS),
    )
    return train.select(*_TOKEN, count=train.training_count)


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
