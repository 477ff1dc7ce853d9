"""From rentals, payments and film reviews to what every customer does, window by window."""

import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import dagster as dg
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from pydantic import Field

from pipeline_assets.dataset.accounting import Delivery
from pipeline_assets.dataset.asset import ingest_asset, lake_asset
from pipeline_assets.dataset.computation import Learn
from pipeline_assets.dataset.inputs import Landed
from pipeline_assets.dataset.values.database import OLTP, Database
from pipeline_assets.dataset.values.destinations import ByKey
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.workspace import Workspace
from pipeline_assets.domains.rentals.checks import (
    every_payment_has_a_film,
    every_record_accounted,
    every_rental_has_a_film,
    every_review_classified,
    money_counts_once,
    reviews_are_written_once,
    reviews_count_once,
)
from pipeline_assets.domains.rentals.contracts import (
    RENTALS,
    ClassifiedMovieReviews,
    FilmRentals,
    MovieReviews,
    RawMovieReviews,
    RejectedPurchases,
    RejectedRows,
    SentimentWeights,
    UserBehaviorMetric,
    UserPurchases,
    ViewingSimilarity,
)
from pipeline_assets.domains.rentals.database import (
    known_customers,
    payment_versions,
    purchases,
    rental_versions,
    rentals,
    unusable_purchases,
)
from pipeline_assets.domains.rentals.plots import ACTIVITY, CONFUSION, REPORT, SPENDING
from pipeline_assets.domains.rentals.records import COLUMNS, accepted, rejected
from pipeline_assets.domains.rentals.sentiment import (
    LEARNING,
    classified,
    scored_reviews,
    with_views,
)
from pipeline_assets.landing.delimited import RFC_4180
from pipeline_assets.landing.landed_records import as_rows, read_landed
from pipeline_assets.partitions import DAYS, UP_TO_NOW
from pipeline_assets.postgres.read import snapshot

if TYPE_CHECKING:
    import pyarrow as pa

REVIEWS = LandingSource(
    name="movie_review",
    prefix="movie_review",
    pattern=re.compile(r"movie_review/(?P<key>[^/]+)/movie_review\.csv"),
    partitioning=DAYS,
    description="Film reviews `movie_review/{window}/movie_review.csv`, a folder for each day, or "
    "for each hour such as `2026-01-01T05` where settings say hourly.",
    expected="movie_review/{window}/movie_review.csv, such as movie_review/2026-01-31/…",
)


class SentimentConfig(dg.Config):
    """How the sentiment model is trained."""

    seed: int = Field(default=0, ge=0, description="Same seed and reviews, same model.")


@ingest_asset(
    domain=RENTALS,
    contract=UserPurchases,
    code_version="1",
    partitions=DAYS,
    checks=[every_payment_has_a_film],
    system=OLTP,
    source_versions=payment_versions,
    delivery=Delivery(may_end=True),
    to_warehouse=True,
)
def user_purchases(oltp: Database, workspace: Workspace) -> "Iterator[pa.RecordBatch]":
    """What customers paid for, from one consistent look at the shop's database."""
    return purchases(oltp.require(), workspace.windows, workspace.schema, DAYS.column)


@ingest_asset(
    domain=RENTALS,
    contract=RejectedPurchases,
    code_version="1",
    partitions=DAYS,
    system=OLTP,
    source_versions=payment_versions,
    delivery=None,
)
def rejected_purchases(oltp: Database, workspace: Workspace) -> "Iterator[pa.RecordBatch]":
    """Every payment that cannot be used, kept with the reason; its neighbours are published."""
    return unusable_purchases(oltp.require(), workspace.windows, workspace.schema, DAYS.column)


@ingest_asset(
    domain=RENTALS,
    contract=FilmRentals,
    code_version="1",
    partitions=DAYS,
    checks=[every_rental_has_a_film],
    system=OLTP,
    source_versions=rental_versions,
    delivery=Delivery(may_end=True),
)
def film_rentals(oltp: Database, workspace: Workspace) -> "Iterator[pa.RecordBatch]":
    """What customers rented, paid for or not, from one consistent look at the shop's database."""
    return rentals(oltp.require(), workspace.windows, workspace.schema, DAYS.column)


@ingest_asset(
    domain=RENTALS, contract=RawMovieReviews, code_version="2", partitions=DAYS, landing=REVIEWS
)
def raw_movie_reviews(
    deliveries: Landed, oltp: Database, workspace: Workspace
) -> "Iterator[pa.RecordBatch]":
    """Reviews as delivered, with a look at whether the shop knows who wrote them."""
    with snapshot(oltp.dsn) if oltp.dsn else nullcontext() as database:
        for key, objects in deliveries.objects.items():
            for batch in read_landed(objects, deliveries.store, COLUMNS, RFC_4180, workspace):
                judged = batch.append_column(
                    "customer_known", known_customers(database, batch["cid"])
                )
                yield as_rows(judged, workspace.schema, **{DAYS.column: key})


@lake_asset(domain=RENTALS, contract=RejectedRows, partitions=DAYS)
def rejected_rows(raw_movie_reviews: ir.Table) -> ir.Table:
    """Every review that cannot be used, kept with its place and the reason."""
    return rejected(raw_movie_reviews)


@lake_asset(
    domain=RENTALS,
    contract=MovieReviews,
    partitions=DAYS,
    checks=[every_record_accounted, reviews_are_written_once],
    delivery=Delivery(read="raw_movie_reviews"),
)
def movie_reviews(raw_movie_reviews: ir.Table) -> ir.Table:
    """What customers wrote about films."""
    return accepted(raw_movie_reviews)


@lake_asset(
    domain=RENTALS,
    contract=SentimentWeights,
    mappings={"movie_reviews": dg.AllPartitionMapping()},
    plots=[REPORT, CONFUSION],
    refreshes_on_request=True,
)
def sentiment_model(movie_reviews: ir.Table, config: SentimentConfig) -> Learn:
    """What the words of scored reviews say, as weights that are added up.

    It is kept until somebody asks for a new one, or the monthly schedule does: another day of
    reviews hardly changes it, and a new one has every review classified again. Where there are too
    few reviews of a class the training fails, and classification goes on with the last good model.
    The report is about scored reviews that are kept back from training.
    """
    scored = scored_reviews(movie_reviews)
    return Learn(
        "linear_text",
        with_views(scored.filter(~scored.held_out).select("review_str", "sentiment")),
        {**LEARNING, **config.model_dump()},
    )


@lake_asset(
    domain=RENTALS,
    contract=ClassifiedMovieReviews,
    partitions=DAYS,
    checks=[every_review_classified],
    to_warehouse=True,
)
def classified_movie_reviews(movie_reviews: ir.Table, sentiment_model: ir.Table) -> ir.Table:
    """How customers liked what they saw, as far as their words tell."""
    return classified(movie_reviews.select("cid", "review_str", "insert_date"), sentiment_model)


@lake_asset(
    domain=RENTALS,
    contract=UserBehaviorMetric,
    partitions=DAYS,
    optional=("user_purchases", "classified_movie_reviews"),
    checks=[money_counts_once, reviews_count_once],
    plots=[SPENDING],
    to_warehouse=True,
    to_keys=ByKey("customer_id"),
)
def user_behavior_metric(user_purchases: ir.Table, classified_movie_reviews: ir.Table) -> ir.Table:
    """What every customer spent and how he liked it.

    Each side is aggregated before they meet: joined row by row, money would count once for each
    review.
    """
    bought = user_purchases.group_by("insert_date", "customer_id").aggregate(
        amount_spent=user_purchases.amount.sum(), purchase_count=user_purchases.count()
    )
    reviews = classified_movie_reviews
    wrote = reviews.group_by("insert_date", customer_id=reviews.cid).aggregate(
        review_score=reviews.positive_review.cast("int32").sum(), review_count=reviews.count()
    )
    both = bought.outer_join(wrote, ["insert_date", "customer_id"])
    return both.select(
        insert_date=both.insert_date.coalesce(both.insert_date_right),
        customer_id=both.customer_id.coalesce(both.customer_id_right),
        amount_spent=both.amount_spent.cast("decimal(18, 5)").fill_null(0),
        **{
            name: both[name].cast("int32").fill_null(0)
            for name in ("purchase_count", "review_score", "review_count")
        },
    )


@lake_asset(
    domain=RENTALS,
    contract=ViewingSimilarity,
    partitions=DAYS,
    mappings={"film_rentals": UP_TO_NOW},
    plots=[ACTIVITY],
)
def viewing_similarity(film_rentals: ir.Table, partitions: Sequence[str]) -> ir.Table:
    """Whether customers stay with what they know: all rentals up to the end of each window.

    Rentals follow one another by their date, or by their number where the shop keeps no dates.
    """
    rented = film_rentals
    before = rented.category.lag().over(
        group_by="customer_id", order_by=[rented.rented_at, rented.rental_id]
    )
    pairs = rented.mutate(same=(rented.category == before).cast("int64"))
    steps = pairs.group_by("customer_id", "insert_date").aggregate(
        rentals=pairs.count(), same=pairs.same.sum(), pairs=pairs.same.count()
    )
    # Not the windows of the rentals: one without any still has all those before it.
    days = ibis.array(list(partitions)).cast(dt.Array(rented.insert_date.type()))
    windows = days.unnest().name("until").as_table()
    past = windows.join(steps, windows.until >= steps.insert_date).select(
        "customer_id", "until", "rentals", "same", "pairs"
    )
    return past.group_by("customer_id", insert_date=past.until).aggregate(
        rental_count=past.rentals.sum().cast("int32"),
        consecutive_similarity=past.same.sum().cast("float64") / past.pairs.sum().nullif(0),
    )
