"""From lists of subjects to the attention that they get on Wikipedia."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import ibis.expr.types as ir
from pydantic import Field

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.asset import ingest_asset, lake_asset
from pipeline_assets.dataset.inputs import Landed, Rows
from pipeline_assets.dataset.values.database import WIKIMEDIA
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.pageviews.attention import unusual, views_of_articles
from pipeline_assets.domains.pageviews.checks import (
    every_day_is_loaded,
    every_record_accounted,
    subjects_have_articles_of_their_own,
    titles_lead_to_one_article,
)
from pipeline_assets.domains.pageviews.contracts import (
    PAGEVIEWS,
    Attention,
    DailyViews,
    Handles,
    RawSubjects,
    RejectedRows,
    Titles,
    TitleViews,
)
from pipeline_assets.domains.pageviews.plots import UNUSUAL
from pipeline_assets.domains.pageviews.records import (
    COLUMNS,
    accepted,
    rejected,
    resolved,
    subject_of,
    titles_of,
)
from pipeline_assets.domains.pageviews.resolution import found_for
from pipeline_assets.domains.pageviews.views import asked_views, dumped_views
from pipeline_assets.landing.delimited import RFC_4180
from pipeline_assets.landing.landed_records import read_landed
from pipeline_assets.partitions import LISTS, MONTHS, WITH_THE_MONTH_BEFORE
from pipeline_assets.wikimedia.access import Wikimedia
from pipeline_assets.wikimedia.client import Client
from pipeline_assets.wikimedia.views import month_versions

if TYPE_CHECKING:
    import pyarrow as pa

SUBJECTS = LandingSource(
    name="pageviews",
    prefix="pageviews",
    pattern=re.compile(r"pageviews/(?P<key>[^/]+)/subjects\.csv"),
    partitioning=LISTS,
    description="Lists of subjects `pageviews/{list}/subjects.csv`: `name`, and where it helps a "
    "`hint` such as `basketball`, or the `handle` of the article.",
    expected="pageviews/{list}/subjects.csv",
)
DUMPS = LandingSource(
    name="pageview_complete",
    prefix="pageview_complete",
    pattern=re.compile(r"pageview_complete/(?P<key>[^/]+)/pageviews-\d{8}-user\.bz2"),
    partitioning=MONTHS,
    description="Wikimedia's dump files `pageview_complete/{month}/pageviews-{day}-user.bz2`, for "
    "more articles than the API should be asked about. A month is read once it has ended.",
    expected="pageview_complete/2026-01/pageviews-20260131-user.bz2",
)


class AskConfig(dg.Config):
    """Whether the API is asked."""

    ask: bool = Field(
        default=True,
        description="Whether Wikimedia is asked for views. Set it to false where dump files land.",
    )


@ingest_asset(
    domain=PAGEVIEWS,
    contract=RawSubjects,
    code_version="1",
    partitions=LISTS,
    landing=SUBJECTS,
    system=WIKIMEDIA,
)
def raw_subjects(
    lists: Landed, wikimedia: Wikimedia, workspace: Workspace
) -> "Iterator[pa.RecordBatch]":
    """Lists as delivered, each record with the article that Wikipedia has for it."""
    import pyarrow as pa

    client = Client(wikimedia)
    for key, objects in lists.objects.items():
        batches = list(read_landed(objects, lists.store, COLUMNS, RFC_4180, workspace))
        records = [record for batch in batches for record in batch.to_pylist()]
        subjects = [subject_of(record) for record in records if record["problem"] is None]
        found = iter(found_for(client, subjects))
        for batch in batches:
            named = batch.append_column("list", pa.repeat(pa.scalar(key), len(batch)))
            yield resolved(named, found, workspace.schema)


@lake_asset(domain=PAGEVIEWS, contract=RejectedRows, partitions=LISTS)
def rejected_rows(raw_subjects: ir.Table) -> ir.Table:
    """Every subject without an article, kept with its place and the reason."""
    return rejected(raw_subjects)


@lake_asset(
    domain=PAGEVIEWS,
    contract=Handles,
    partitions=LISTS,
    checks=[every_record_accounted, subjects_have_articles_of_their_own],
    delivery=Delivery(read="raw_subjects"),
)
def handles(raw_subjects: ir.Table) -> ir.Table:
    """Which article stands for each subject, and how it was found."""
    return accepted(raw_subjects)


@lake_asset(
    domain=PAGEVIEWS, contract=Titles, partitions=LISTS, checks=[titles_lead_to_one_article]
)
def titles(raw_subjects: ir.Table) -> ir.Table:
    """What has to be counted for each article: Wikimedia counts the views of a redirect apart."""
    return titles_of(raw_subjects)


@ingest_asset(
    domain=PAGEVIEWS,
    contract=TitleViews,
    code_version="1",
    partitions=MONTHS,
    mappings={"titles": dg.AllPartitionMapping()},
    system=WIKIMEDIA,
    source_versions=month_versions,
    delivery=None,
)
def raw_views(
    titles: Rows, wikimedia: Wikimedia, workspace: Workspace, config: AskConfig
) -> "Iterator[pa.RecordBatch]":
    """Views of titles as the API answers; a month with days that are not loaded is asked again."""
    if config.ask:
        yield from asked_views(wikimedia, _distinct(titles), workspace)


@ingest_asset(
    domain=PAGEVIEWS,
    contract=TitleViews,
    code_version="1",
    partitions=MONTHS,
    landing=DUMPS,
    mappings={"titles": dg.AllPartitionMapping()},
    system=WIKIMEDIA,
    delivery=None,
)
def dump_views(
    dumps: Landed, titles: Rows, wikimedia: Wikimedia, workspace: Workspace
) -> "Iterator[pa.RecordBatch]":
    """Views of titles in the dump files that have landed; nothing is asked."""
    return dumped_views(wikimedia, _distinct(titles), dumps, workspace)


@lake_asset(
    domain=PAGEVIEWS,
    contract=DailyViews,
    partitions=MONTHS,
    mappings={"titles": dg.AllPartitionMapping()},
    optional=("raw_views", "dump_views"),
    checks=[every_day_is_loaded],
)
def daily_views(titles: ir.Table, raw_views: ir.Table, dump_views: ir.Table) -> ir.Table:
    """How often people looked at each article, whatever title they came by."""
    return views_of_articles(titles, raw_views, dump_views)


@lake_asset(
    domain=PAGEVIEWS,
    contract=Attention,
    partitions=MONTHS,
    mappings={"daily_views": WITH_THE_MONTH_BEFORE},
    plots=[UNUSUAL],
)
def attention(daily_views: ir.Table) -> ir.Table:
    """How much attention each article gets, and how unusual that is for it."""
    return unusual(daily_views)


def _distinct(titles: "pa.Table") -> list[str]:
    return sorted(titles["title"].unique().to_pylist())
