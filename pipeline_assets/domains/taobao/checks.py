"""What must hold across the Taobao tables."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.asset import check
from pipeline_assets.domains.taobao.contracts import ITEM_FIELDS, USER_FIELDS
from pipeline_assets.domains.taobao.lines import COMMON, SKELETON, Layout


@check("warn")
def last_line_is_terminated(raw_files: ir.Table) -> ir.Table:
    """The last line of each file ends with a newline; without it, it may have been cut."""
    return raw_files.filter(raw_files.unterminated_line > 0)


@check("error")
def every_skeleton_line_accounted(
    impressions: ir.Table, raw_files: ir.Table, rejected_rows: ir.Table
) -> ir.Table:
    """Impressions and rejected lines together are the lines of the skeleton file."""
    return _unaccounted(SKELETON, impressions, raw_files, rejected_rows)


@check("error")
def every_common_line_accounted(
    common_features_summary: ir.Table, raw_files: ir.Table, rejected_rows: ir.Table
) -> ir.Table:
    """Summaries and rejected lines together are the lines of the common features file."""
    return _unaccounted(COMMON, common_features_summary, raw_files, rejected_rows)


@check("warn")
def every_index_is_known(impressions: ir.Table, common_features_summary: ir.Table) -> ir.Table:
    """Every index of an impression has common features in the same split."""
    return impressions.anti_join(common_features_summary, ["split", "common_features_index"])


@check("warn")
def conversion_implies_click(impressions: ir.Table) -> ir.Table:
    """Nobody buys without a click; the real train file has 230 who do."""
    return impressions.filter((impressions.conversion_label == 1) & (impressions.click_label == 0))


@check("warn", key=["split", "sample_id"])
def num_features_equals_core_tokens(core_features: ir.Table, impressions: ir.Table) -> ir.Table:
    """Each impression has as many tokens as its `num_features` says."""
    return _miscounted(core_features, impressions, "sample_id")


@check("warn", key=["split", "common_features_index"])
def num_features_equals_common_tokens(
    common_features: ir.Table, common_features_summary: ir.Table
) -> ir.Table:
    """Each shared set has as many tokens as its `num_features` says."""
    return _miscounted(common_features, common_features_summary, "common_features_index")


@check("warn")
def known_item_fields(core_features: ir.Table) -> ir.Table:
    """Every field is one that the data set documents for impressions."""
    return core_features.filter(~core_features.feature_name.isin(ITEM_FIELDS))


@check("warn")
def known_user_fields(common_features: ir.Table) -> ir.Table:
    """Every field is one that the data set documents for users."""
    return common_features.filter(~common_features.feature_name.isin(USER_FIELDS))


def _unaccounted(
    layout: Layout, table: ir.Table, raw_files: ir.Table, rejected_rows: ir.Table
) -> ir.Table:
    """One row for each split in which accepted + rejected is not what was read."""
    own_parts = raw_files.filter(raw_files.member == layout.member)
    own_rejected = rejected_rows.filter(rejected_rows.member == layout.member)
    changes = ibis.union(
        own_parts.select("split", lines=own_parts.line_count),
        table.select("split", lines=ibis.literal(-1, "int64")),
        own_rejected.select("split", lines=ibis.literal(-1, "int64")),
    )
    balance = changes.group_by("split").aggregate(unaccounted=changes.lines.sum())
    return balance.filter(balance.unaccounted != 0)


def _miscounted(tokens: ir.Table, lines: ir.Table, key: str) -> ir.Table:
    counted = tokens.group_by(["split", key]).aggregate(tokens=tokens.count())
    joined = lines.left_join(counted, ["split", key]).select("split", key, "num_features", "tokens")
    return joined.filter(joined.num_features != joined.tokens.fill_null(0))
