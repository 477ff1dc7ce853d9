from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from pipeline_assets.dataset.contract import Check, Contract, TableContract
from pipeline_assets.domains.taobao import checks
from pipeline_assets.domains.taobao.contracts import (
    CommonFeatures,
    CommonFeaturesSummary,
    CoreFeatures,
    Impressions,
    RawFiles,
    RejectedRows,
)

Row = Mapping[str, Any]
IMPRESSION = {
    "sample_id": 1,
    "click_label": 0,
    "conversion_label": 0,
    "common_features_index": "a",
    "num_features": 1,
    "split": "train",
}
SUMMARY = {"common_features_index": "a", "num_features": 1, "split": "train"}
CORE = {"sample_id": 1, "feature_name": "205", "feature_id": 7, "feature_value": 1.0} | {
    "split": "train"
}
COMMON = CORE | {"common_features_index": "a", "feature_name": "109_14"}
SKELETON_PART = {"member": "sample_skeleton", "line_count": 2, "split": "train"}
COMMON_PART = {"member": "common_features", "line_count": 1, "split": "train"}
REJECTED = {"member": "sample_skeleton", "split": "train"}


def table(contract: type[Contract], *rows: Row) -> ir.Table:
    """Rows of a contract; what is not given is null."""
    schema = TableContract.of(contract).schema
    names = pa.schema(schema.to_pyarrow())
    filled = [{name: row.get(name) for name in schema} for row in rows]
    return ibis.memtable(pa.Table.from_pylist(filled, schema=names), schema=schema)


def failing(check: Check, *tables: ir.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = check.failing(*tables).to_pyarrow().to_pylist()
    return rows


def parts(*rows: Row) -> ir.Table:
    return table(RawFiles, *rows)


def test_every_line_is_accepted_or_rejected() -> None:
    one, rejected = table(Impressions, IMPRESSION), table(RejectedRows, REJECTED)
    both = parts(SKELETON_PART, COMMON_PART)
    assert failing(checks.every_skeleton_line_accounted, one, both, rejected) == []
    lost = failing(checks.every_skeleton_line_accounted, one, both, table(RejectedRows))
    assert lost == [{"split": "train", "unaccounted": 1}]
    twice = table(Impressions, IMPRESSION, IMPRESSION)
    assert failing(checks.every_skeleton_line_accounted, twice, both, rejected) == [
        {"split": "train", "unaccounted": -1}
    ]


def test_splits_are_accounted_for_one_by_one() -> None:
    test = {"split": "test"}
    lines = parts(SKELETON_PART, SKELETON_PART | test)
    impressions = table(Impressions, *[IMPRESSION] * 3, IMPRESSION | test)
    found = failing(checks.every_skeleton_line_accounted, impressions, lines, table(RejectedRows))
    assert sorted((row["split"], row["unaccounted"]) for row in found) == [
        ("test", 1),
        ("train", -1),
    ]


def test_lines_of_the_other_file_do_not_count() -> None:
    summary, rejected = table(CommonFeaturesSummary, SUMMARY), table(RejectedRows, REJECTED)
    both = parts(SKELETON_PART, COMMON_PART)
    assert failing(checks.every_common_line_accounted, summary, both, rejected) == []
    damaged = table(RejectedRows, REJECTED | {"member": "common_features"})
    assert failing(checks.every_common_line_accounted, summary, both, damaged) == [
        {"split": "train", "unaccounted": -1}
    ]


def test_every_index_has_common_features_in_its_own_split() -> None:
    summary = table(CommonFeaturesSummary, SUMMARY)
    fine, unknown = IMPRESSION, IMPRESSION | {"common_features_index": "b"}
    elsewhere = IMPRESSION | {"split": "test"}
    impressions = table(Impressions, fine, unknown, elsewhere)
    found = failing(checks.every_index_is_known, impressions, summary)
    assert sorted((row["split"], row["common_features_index"]) for row in found) == [
        ("test", "a"),
        ("train", "b"),
    ]


@pytest.mark.parametrize(
    ("click", "conversion", "fails"), [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 1)]
)
def test_nobody_buys_without_a_click(click: int, conversion: int, fails: int) -> None:
    labels = {"click_label": click, "conversion_label": conversion}
    impressions = table(Impressions, IMPRESSION | labels)
    assert len(failing(checks.conversion_implies_click, impressions)) == fails


@pytest.mark.parametrize(
    ("promised", "tokens", "fails"), [(2, 2, 0), (0, 0, 0), (1, 0, 1), (1, 2, 1)]
)
def test_the_number_of_features_is_that_of_the_tokens(
    promised: int, tokens: int, fails: int
) -> None:
    impressions = table(Impressions, IMPRESSION | {"num_features": promised})
    core = table(CoreFeatures, *[CORE] * tokens)
    assert len(failing(checks.num_features_equals_core_tokens, core, impressions)) == fails
    summary = table(CommonFeaturesSummary, SUMMARY | {"num_features": promised})
    common = table(CommonFeatures, *[COMMON] * tokens)
    assert len(failing(checks.num_features_equals_common_tokens, common, summary)) == fails


def test_tokens_of_the_other_split_do_not_count() -> None:
    core = table(CoreFeatures, CORE, CORE | {"split": "test"})
    impressions = table(Impressions, IMPRESSION)
    assert failing(checks.num_features_equals_core_tokens, core, impressions) == []


@pytest.mark.parametrize(
    ("check", "contract", "known", "unknown"),
    [
        (checks.known_item_fields, CoreFeatures, ("205", "853", "301"), ("109_14", "999")),
        (checks.known_user_fields, CommonFeatures, ("101", "109_14", "129"), ("205", "109")),
    ],
)
def test_fields_are_those_of_the_documentation(
    check: Check, contract: type[Contract], known: Sequence[str], unknown: Sequence[str]
) -> None:
    rows = [CORE | COMMON | {"feature_name": name} for name in (*known, *unknown)]
    found = failing(check, table(contract, *rows))
    assert {row["feature_name"] for row in found} == set(unknown)


def test_a_last_line_without_its_newline_is_found() -> None:
    whole, cut = {"unterminated_line": 0}, {"unterminated_line": 7}
    found = failing(checks.last_line_is_terminated, parts(whole, cut))
    assert [row["unterminated_line"] for row in found] == [7]
