"""What must hold before anybody trains on these tables: nothing lost, nothing leaked."""

from typing import Final

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import check
from pipeline_assets.domains.taobao.contracts import ITEM_FIELDS, USER_FIELDS
from pipeline_assets.domains.taobao.training.contracts import LISTS
from pipeline_assets.domains.taobao.training.vocabularies import held_back, in_training

_ID: Final = ("split", "feature_name", "feature_id")
_MINUS_ONE: Final = ibis.literal(-1, "int64")


@check("error")
def every_token_is_counted(
    token_counts: ir.Table, core_features: ir.Table, common_features: ir.Table
) -> ir.Table:
    """All counts of a split are as many tokens as its impressions and its users have."""
    counts = token_counts.select("split", change=token_counts["count"])
    tokens = (it.select("split", change=_MINUS_ONE) for it in (core_features, common_features))
    return _unequal(counts, *tokens)


@check("error")
def what_is_held_back_is_not_counted_for_training(
    token_counts: ir.Table,
    core_features: ir.Table,
    common_features: ir.Table,
    impressions: ir.Table,
    user_groups: ir.Table,
) -> ir.Table:
    """Of each id all tokens are for training but those of users held back; of test none are."""
    missing = ibis.ifelse(
        token_counts.split == "train",
        token_counts["count"] - token_counts.training_count,
        token_counts.training_count,
    )
    uneven = token_counts.select(*_ID, change=missing).filter(missing != 0)
    theirs, users = held_back(impressions, user_groups)
    held = ibis.union(
        core_features.semi_join(theirs, ["split", "sample_id"]).select(*_ID, change=_MINUS_ONE),
        common_features.semi_join(users, ["split", "common_features_index"]).select(
            *_ID, change=_MINUS_ONE
        ),
    )
    return _unequal(uneven, held, by=_ID)


@check("error")
def indices_keep_their_meaning(vocabulary: ir.Table, published_vocabulary: ir.Table) -> ir.Table:
    """Every token that has an index keeps it, and no other one gets it."""
    same = ["feature_name", "feature_id", "index"]
    return published_vocabulary.anti_join(vocabulary, same)


@check("error")
def an_index_stands_for_one_token(vocabulary: ir.Table) -> ir.Table:
    """No two tokens of a field have the same index."""
    counted = vocabulary.group_by("feature_name", "index").aggregate(tokens=vocabulary.count())
    return counted.filter(counted.tokens > 1)


@check("error")
def indices_leave_no_gap(vocabulary: ir.Table) -> ir.Table:
    """The greatest index of a field is the number of its tokens and the two that are reserved."""
    counted = vocabulary.group_by("feature_name").aggregate(
        tokens=vocabulary.count(), greatest=vocabulary["index"].max()
    )
    return counted.filter(counted.greatest != counted.tokens + 1)


@check("error")
def only_training_tokens_are_counted(vocabulary: ir.Table, token_counts: ir.Table) -> ir.Table:
    """Every count is that of the training part: 0 for what only validation or test have."""
    claimed = vocabulary.filter(vocabulary["count"] > 0)
    same = ["feature_name", "feature_id", "count"]
    return claimed.anti_join(in_training(token_counts), same)


# Which impressions are for testing is the vendor's decision. One who parts them by time may well
# have the same person twice, and to refuse that would leave nothing to train on.
@check("warn")
def no_user_is_in_two_parts(_vocabulary: ir.Table, user_groups: ir.Table) -> ir.Table:
    """No set of common features is in two parts, as when the vendor's test repeats one of train."""
    parts = user_groups.group_by("common_features_index").aggregate(
        first=user_groups.part.min(), last=user_groups.part.max()
    )
    return parts.filter(parts["first"] != parts["last"])


@check("error")
def every_impression_token_encoded(
    encoded_impressions: ir.Table, core_features: ir.Table
) -> ir.Table:
    """The table holds as many tokens as `core_features`."""
    return _unaccounted(encoded_impressions, core_features)


@check("error")
def every_user_token_encoded(encoded_users: ir.Table, common_features: ir.Table) -> ir.Table:
    """The table holds as many tokens as `common_features`."""
    return _unaccounted(encoded_users, common_features)


@check("error")
def every_token_of_an_impression_has_a_place(encoded_impressions: ir.Table) -> ir.Table:
    """The columns of an impression hold as many tokens as its line."""
    return _misplaced(encoded_impressions, ITEM_FIELDS)


@check("error")
def every_token_of_a_user_has_a_place(encoded_users: ir.Table) -> ir.Table:
    """The columns of a user hold as many tokens as his line."""
    return _misplaced(encoded_users, USER_FIELDS)


@check("error")
def every_impression_encoded(encoded_impressions: ir.Table, impressions: ir.Table) -> ir.Table:
    """The table has as many rows as `impressions`."""
    return _unequal(
        encoded_impressions.select("split", change=ibis.literal(1, "int64")),
        impressions.select("split", change=_MINUS_ONE),
    )


@check("error")
def no_user_on_both_sides(encoded_impressions: ir.Table) -> ir.Table:
    """All impressions of a user are in one part."""
    known = encoded_impressions.filter(encoded_impressions.user_row > 0)
    parts = known.group_by("split", "user_row").aggregate(
        first=known.part.min(), last=known.part.max()
    )
    return parts.filter(parts["first"] != parts["last"])


@check("error")
def the_user_of_an_impression_is_in_its_part(
    encoded_impressions: ir.Table, user_groups: ir.Table
) -> ir.Table:
    """An impression and its user are in the same part."""
    pairs = encoded_impressions.filter(encoded_impressions.user_row > 0)
    return (
        pairs.select("split", "user_row", "part")
        .distinct()
        .anti_join(user_groups, ["split", "user_row", "part"])
    )


@check("error")
def test_is_test_and_nothing_else(user_groups: ir.Table) -> ir.Table:
    """The vendor's test is never trained on, whatever the policy of splits."""
    is_test = user_groups.part == "test"
    return user_groups.filter(is_test != (user_groups.split == "test"))


@check("warn")
def every_token_has_its_field(table: ir.Table) -> ir.Table:
    """No token is of a field that nobody knows, or repeats in a field of one value."""
    return table.filter(table.other_tokens.length() > 0)


def _misplaced(table: ir.Table, fields: list[str]) -> ir.Table:
    placed = table.other_tokens.length()
    for name in fields:
        column = table[f"f{name}"]
        placed = placed + (column.length() if name in LISTS else (column > 0).cast("int64"))
    uneven = [
        table[f"f{name}"].length() != table[f"f{name}_weight"].length()
        for name in fields
        if name in LISTS
    ]
    return table.filter(ibis.or_(placed != table.num_tokens, *uneven))


def _unaccounted(table: ir.Table, tokens: ir.Table) -> ir.Table:
    return _unequal(
        table.select("split", change=table.num_tokens.cast("int64")),
        tokens.select("split", change=_MINUS_ONE),
    )


def _unequal(*changes: ir.Table, by: tuple[str, ...] = ("split",)) -> ir.Table:
    both = ibis.union(*changes)
    balance = both.group_by(by).aggregate(unaccounted=both.change.sum())
    return balance.filter(balance.unaccounted != 0)
