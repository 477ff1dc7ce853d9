"""Amazon reviews to ratings that a recommender learns from."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.asset import export_asset, ingest_asset, lake_asset
from pipeline_assets.dataset.computation import Computation
from pipeline_assets.dataset.contract import TableContract
from pipeline_assets.dataset.inputs import Landed
from pipeline_assets.dataset.values.destinations import CsvObject, FurtherColumns
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import StoredObject
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.ratings.checks import (
    customer_and_product_are_known,
    every_rating_exported,
    every_record_accounted,
    helpful_votes_within_total,
    review_id_is_unique,
    something_is_left,
)
from pipeline_assets.domains.ratings.contracts import (
    RATINGS,
    FilteredRatings,
    RawReviews,
    RejectedRows,
    Reviews,
    TrainReadyRatings,
)
from pipeline_assets.domains.ratings.filters import FilterConfig, filtered
from pipeline_assets.domains.ratings.plots import STARS
from pipeline_assets.domains.ratings.records import COLUMNS, rejected, typed
from pipeline_assets.errors import PipelineError
from pipeline_assets.landing.delimited import TSV
from pipeline_assets.landing.landed_records import as_rows, read_landed
from pipeline_assets.partitions import CATEGORIES

if TYPE_CHECKING:
    import pyarrow as pa

_NAME: Final = "amazon_reviews/amazon_reviews_"
_MULTILINGUAL: Final = "multilingual_"
FILES = LandingSource(
    name="amazon_reviews",
    prefix="amazon_reviews",
    pattern=re.compile(
        rf"{_NAME}(us_)?(?P<key>(?<=us_)(?!{_MULTILINGUAL}).+|(?<!us_){_MULTILINGUAL}[A-Z]{{2}})"
        r"_v1_\d\d\.tsv(\.gz)?"
    ),
    partitioning=CATEGORIES,
    description="Amazon's review files `amazon_reviews/amazon_reviews_us_{category}_v1_00.tsv.gz`, "
    "gzipped or not, as the vendor delivers them; large categories go on in `…_v1_01`. The files "
    "of other marketplaces, such as `amazon_reviews_multilingual_UK_v1_00.tsv.gz`, are categories "
    "of their own. The data set's `index.txt` and `sample_us.tsv` are no deliveries.",
    ignored=re.compile(r"amazon_reviews/(index\.txt|sample_[a-z]{2}\.tsv)"),
    expected="amazon_reviews/amazon_reviews_us_{category}_v1_00.tsv.gz, or without .gz",
    stem_of=lambda key: _NAME + ("" if key.startswith(_MULTILINGUAL) else "us_") + key,
)


@ingest_asset(
    domain=RATINGS, contract=RawReviews, code_version="2", partitions=CATEGORIES, landing=FILES
)
def raw_reviews(files: Landed, workspace: Workspace) -> "Iterator[pa.RecordBatch]":
    """A category's file as delivered, its columns found by name."""
    for category, objects in files.objects.items():
        _require_each_part_once(category, objects)
        for batch in read_landed(objects, files.store, COLUMNS, TSV, workspace):
            yield as_rows(batch, RawReviews, category=category)


@lake_asset(domain=RATINGS, contract=RejectedRows, partitions=CATEGORIES)
def rejected_rows(raw_reviews: ir.Table) -> ir.Table:
    """Every record that cannot be read, kept with its place and the reason."""
    return rejected(raw_reviews)


@lake_asset(
    domain=RATINGS,
    contract=Reviews,
    partitions=CATEGORIES,
    checks=[
        every_record_accounted,
        review_id_is_unique,
        customer_and_product_are_known,
        helpful_votes_within_total,
    ],
    delivery=Delivery(read="raw_reviews"),
)
def reviews(raw_reviews: ir.Table) -> ir.Table:
    """Who wrote what about which product; an empty field is null."""
    return typed(raw_reviews)


@lake_asset(
    domain=RATINGS,
    contract=FilteredRatings,
    partitions=CATEGORIES,
    checks=[something_is_left],
    plots=[STARS],
    # Rows are counted by customer and product alone; several categories would be counted as one.
    partitions_per_run=1,
)
def filtered_ratings(reviews: ir.Table, config: FilterConfig) -> Computation:
    """Ratings of customers and products with enough of them; duplicates stay."""
    columns = ("customer_id", "product_id", "star_rating", "product_title", "category")
    return filtered(reviews.select(*columns), config)


@export_asset(
    domain=RATINGS,
    contract=TrainReadyRatings,
    to=CsvObject(
        "train_ready/amazon_reviews_us_{key}.csv",
        rows=TableContract.of(FilteredRatings),
        # What the training script reads, in its order.
        columns=("customer_id", "product_id", "star_rating", "product_title"),
    ),
    partitions=CATEGORIES,
    checks=[every_rating_exported],
)
def train_ready_ratings(filtered_ratings: ir.Table, config: FurtherColumns) -> ir.Table:
    """The filtered ratings as one CSV object per category, for training jobs."""
    config.require_in(filtered_ratings.columns)
    return filtered_ratings


def _require_each_part_once(category: str, objects: Sequence[StoredObject]) -> None:
    """A part that lies there both with and without gzip would count twice."""
    for _, same in groupby(objects, key=lambda item: item.uri.removesuffix(".gz")):
        names = [item.uri for item in same]
        if len(names) > 1:
            which = " and ".join(names)
            raise PipelineError(f"Category {category} was delivered twice: remove one of {which}")
