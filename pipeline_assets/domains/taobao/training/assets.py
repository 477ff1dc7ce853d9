"""Ali-CCP tables to training sets: users, a vocabulary, encoded impressions and encoded users."""

import dagster as dg
import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import lake_asset
from pipeline_assets.dataset.inputs import Published, RawLines
from pipeline_assets.dataset.options import TRAINING_SET
from pipeline_assets.domains.taobao.checks import conversion_implies_click
from pipeline_assets.domains.taobao.contracts import ITEM_FIELDS, TAOBAO, USER_FIELDS
from pipeline_assets.domains.taobao.lines import COMMON, SKELETON, accepted, columns
from pipeline_assets.domains.taobao.training.checks import (
    an_index_stands_for_one_token,
    every_impression_encoded,
    every_impression_token_encoded,
    every_token_has_its_field,
    every_token_is_counted,
    every_token_of_a_user_has_a_place,
    every_token_of_an_impression_has_a_place,
    every_user_token_encoded,
    indices_keep_their_meaning,
    indices_leave_no_gap,
    no_user_is_in_two_parts,
    no_user_on_both_sides,
    only_training_tokens_are_counted,
    test_is_test_and_nothing_else,
    the_user_of_an_impression_is_in_its_part,
    what_is_held_back_is_not_counted_for_training,
)
from pipeline_assets.domains.taobao.training.contracts import (
    EncodedImpressions,
    EncodedUsers,
    TokenCounts,
    UserGroups,
    Vocabulary,
    VocabularyCoverage,
)
from pipeline_assets.domains.taobao.training.coverage import coverage
from pipeline_assets.domains.taobao.training.encoding import encoded
from pipeline_assets.domains.taobao.training.policies import (
    LabelPolicy,
    SplitPolicy,
    VocabularyConfig,
)
from pipeline_assets.domains.taobao.training.vocabularies import continued, counted, in_training
from pipeline_assets.partitions import SPLITS


@lake_asset(
    domain=TAOBAO,
    tags=TRAINING_SET,
    contract=UserGroups,
    partitions=SPLITS,
    checks=[test_is_test_and_nothing_else],
)
def user_groups(
    common_features_summary: ir.Table, impressions: ir.Table, config: SplitPolicy
) -> ir.Table:
    """Which part of the training set each user belongs to, and his row among the encoded users."""
    keys = ["split", "common_features_index"]
    place = ibis.row_number().over(
        group_by=common_features_summary.split,
        order_by=common_features_summary.common_features_index,
    )
    numbered = common_features_summary.select(*keys, user_row=(place + 1).cast("int32"))
    # Hardly an impression is without features, so next to nothing has to be made distinct.
    without_features = impressions.select(*keys).anti_join(numbered, keys).distinct()
    everybody = numbered.union(without_features.select(*keys, user_row=ibis.literal(0, "int32")))
    part = config.part_of(everybody.split, everybody.common_features_index)
    return everybody.mutate(part=part)


@lake_asset(
    domain=TAOBAO,
    contract=TokenCounts,
    partitions=SPLITS,
    checks=[every_token_is_counted, what_is_held_back_is_not_counted_for_training],
)
def token_counts(
    core_features: ir.Table,
    common_features: ir.Table,
    impressions: ir.Table,
    user_groups: ir.Table,
) -> ir.Table:
    """How often each id occurs, for a vocabulary: the one place where all tokens are counted."""
    return counted(core_features, common_features, impressions, user_groups)


@lake_asset(
    domain=TAOBAO,
    tags=TRAINING_SET,
    contract=Vocabulary,
    mappings={name: dg.AllPartitionMapping() for name in ("token_counts", "user_groups")},
    checks=[
        indices_keep_their_meaning,
        an_index_stands_for_one_token,
        indices_leave_no_gap,
        only_training_tokens_are_counted,
        no_user_is_in_two_parts,
    ],
)
def vocabulary(
    token_counts: ir.Table,
    user_groups: ir.Table,  # noqa: ARG001 - a check compares the parts of its users
    published_vocabulary: Published,
    config: VocabularyConfig,
) -> ir.Table:
    """The index of every token of the training part, by how many there are of it.

    A token that has an index keeps it for good, so that a trained model can go on: what another
    delivery adds comes behind.
    """
    return continued(published_vocabulary, in_training(token_counts), config.min_count)


@lake_asset(
    domain=TAOBAO,
    tags=TRAINING_SET,
    contract=EncodedUsers,
    partitions=SPLITS,
    checks=[
        every_user_token_encoded,
        every_token_of_a_user_has_a_place,
        every_token_has_its_field,
    ],
)
def encoded_users(
    raw_files: RawLines,
    rejected_rows: ir.Table,
    common_features: ir.Table,  # noqa: ARG001 - a check compares the tokens with it
    user_groups: ir.Table,
    vocabulary: ir.Table,
) -> ir.Table:
    """The features of every user, as indices and weights; impressions refer to its rows."""
    lines = columns(accepted(raw_files, rejected_rows, COMMON), COMMON)
    lines = lines.rename(common_features_index="index")
    lines = lines.inner_join(user_groups, ["split", "common_features_index"])
    return encoded(lines, USER_FIELDS, vocabulary, ["split", "user_row", "part"])


@lake_asset(
    domain=TAOBAO,
    tags=TRAINING_SET,
    contract=EncodedImpressions,
    partitions=SPLITS,
    checks=[
        every_impression_encoded,
        every_impression_token_encoded,
        every_token_of_an_impression_has_a_place,
        every_token_has_its_field,
        no_user_on_both_sides,
        the_user_of_an_impression_is_in_its_part,
        conversion_implies_click,
    ],
)
def encoded_impressions(
    raw_files: RawLines,
    rejected_rows: ir.Table,
    impressions: ir.Table,  # noqa: ARG001 - a check compares the rows with it
    core_features: ir.Table,  # noqa: ARG001 - a check compares the tokens with it
    user_groups: ir.Table,
    vocabulary: ir.Table,
    config: LabelPolicy,
) -> ir.Table:
    """What models are trained on: labels, item and context; the user stays in `encoded_users`."""
    lines = columns(accepted(raw_files, rejected_rows, SKELETON), SKELETON)
    lines = lines.rename(common_features_index="index")
    joined = lines.inner_join(user_groups, ["split", "common_features_index"])
    labels = config.labels(joined.click.try_cast("int32"), joined.conversion.try_cast("int32"))
    rows = joined.mutate(sample_id=joined.sample_id.try_cast("int64"), **labels)
    kept = ["split", "sample_id", "click_label", "conversion_label", "user_row", "part"]
    return encoded(rows, ITEM_FIELDS, vocabulary, kept)


@lake_asset(domain=TAOBAO, tags=TRAINING_SET, contract=VocabularyCoverage, partitions=SPLITS)
def vocabulary_coverage(encoded_impressions: ir.Table, encoded_users: ir.Table) -> ir.Table:
    """How much of every field the vocabulary knows, by part of the training set."""
    items = coverage(encoded_impressions, ITEM_FIELDS)
    return items.union(coverage(encoded_users, USER_FIELDS))
