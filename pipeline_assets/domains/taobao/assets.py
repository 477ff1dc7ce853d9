"""Ali-CCP archives to tables: impressions, their own features, and the features they share."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.asset import ingest_asset, lake_asset
from pipeline_assets.dataset.inputs import Landed, NumberedLines, RawLines
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.taobao.checks import (
    conversion_implies_click,
    every_common_line_accounted,
    every_index_is_known,
    every_skeleton_line_accounted,
    known_item_fields,
    known_user_fields,
    last_line_is_terminated,
    num_features_equals_common_tokens,
    num_features_equals_core_tokens,
)
from pipeline_assets.domains.taobao.contracts import (
    TAOBAO,
    CommonFeatures,
    CommonFeaturesSummary,
    CoreFeatures,
    Impressions,
    RawFiles,
    RejectedRows,
)
from pipeline_assets.domains.taobao.lines import (
    COMMON,
    SKELETON,
    accepted,
    columns,
    rejected,
    tokens,
)
from pipeline_assets.domains.taobao.plots import LABEL_RATES
from pipeline_assets.partitions import SPLITS

if TYPE_CHECKING:
    import pyarrow as pa

ARCHIVES = LandingSource(
    name="taobao",
    prefix="taobao",
    pattern=re.compile(r"taobao/taobao_(?P<key>.+)\.tar\.gz"),
    partitioning=SPLITS,
    description="Ali-CCP archives `taobao/taobao_{split}.tar.gz`, as the vendor delivers them.",
    expected="taobao/taobao_{split}.tar.gz with a split of train or test",
)


@ingest_asset(
    domain=TAOBAO,
    contract=RawFiles,
    code_version="1",
    partitions=SPLITS,
    landing=ARCHIVES,
    checks=[last_line_is_terminated],
    delivery=Delivery(counted_by="line_count"),
)
def raw_files(archives: Landed, workspace: Workspace) -> "Iterator[pa.RecordBatch]":
    """The two files of an archive as delivered, cut at line ends for parallel reading."""
    from pipeline_assets.domains.taobao.archive import extract_split

    for split, objects in archives.objects.items():
        for archive in objects:
            yield extract_split(archive, split, archives.store, workspace)


@lake_asset(
    domain=TAOBAO,
    contract=RejectedRows,
    partitions=SPLITS,
    delivery=Delivery(read="raw_files", holds="rejected", counted_by="line_count"),
)
def rejected_rows(raw_files: NumberedLines) -> ir.Table:
    """Every line that cannot be read, kept with its place and the reason."""
    # No line is there twice; without order to keep among them, DuckDB judges on all threads.
    return rejected(raw_files, SKELETON).union(rejected(raw_files, COMMON), distinct=True)


@lake_asset(
    domain=TAOBAO,
    contract=Impressions,
    partitions=SPLITS,
    checks=[every_skeleton_line_accounted, every_index_is_known, conversion_implies_click],
    plots=[LABEL_RATES],
    to_warehouse=True,
)
def impressions(raw_files: RawLines, rejected_rows: ir.Table) -> ir.Table:
    """Who was shown something, and what came of it."""
    skeleton = columns(accepted(raw_files, rejected_rows, SKELETON), SKELETON)
    return skeleton.select(
        "split",
        sample_id=skeleton.sample_id.try_cast("int64"),
        click_label=skeleton.click.try_cast("int32"),
        conversion_label=skeleton.conversion.try_cast("int32"),
        common_features_index=skeleton["index"],
        num_features=skeleton.feature_num.try_cast("int32"),
    )


@lake_asset(
    domain=TAOBAO,
    contract=CoreFeatures,
    partitions=SPLITS,
    checks=[num_features_equals_core_tokens, known_item_fields],
    to_warehouse=True,
)
def core_features(raw_files: RawLines, rejected_rows: ir.Table) -> ir.Table:
    """The features that belong to one impression: item, combinations and context."""
    skeleton = columns(accepted(raw_files, rejected_rows, SKELETON), SKELETON)
    keyed = skeleton.mutate(sample_id=skeleton.sample_id.try_cast("int64"))
    return tokens(keyed, "sample_id")


@lake_asset(
    domain=TAOBAO,
    contract=CommonFeaturesSummary,
    partitions=SPLITS,
    checks=[every_common_line_accounted],
    to_warehouse=True,
)
def common_features_summary(raw_files: RawLines, rejected_rows: ir.Table) -> ir.Table:
    """The sets of user features that impressions share."""
    common = columns(accepted(raw_files, rejected_rows, COMMON), COMMON)
    return common.select(
        "split",
        common_features_index=common["index"],
        num_features=common.feature_num.try_cast("int32"),
    )


@lake_asset(
    domain=TAOBAO,
    contract=CommonFeatures,
    partitions=SPLITS,
    checks=[num_features_equals_common_tokens, known_user_fields],
    to_warehouse=True,
)
def common_features(raw_files: RawLines, rejected_rows: ir.Table) -> ir.Table:
    """The features of every shared set: who the user is and what he did before."""
    common = columns(accepted(raw_files, rejected_rows, COMMON), COMMON)
    return tokens(common.rename(common_features_index="index"), "common_features_index")
