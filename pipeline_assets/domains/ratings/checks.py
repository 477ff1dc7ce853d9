"""What must hold across the ratings tables."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import unaccounted
from pipeline_assets.dataset.asset import check
from pipeline_assets.domains.ratings.records import rejected


@check("error")
def every_record_accounted(reviews: ir.Table, raw_reviews: ir.Table) -> ir.Table:
    """Reviews and rejected rows together are the records of the vendor's file."""
    return unaccounted("category", raw_reviews, reviews, rejected(raw_reviews))


@check("warn", key=["review_id"])
def review_id_is_unique(reviews: ir.Table) -> ir.Table:
    """No identifier is on two reviews; the published files have a few that are."""
    counted = reviews.group_by("review_id").aggregate(copies=reviews.count())
    return counted.filter((counted.copies > 1) & counted.review_id.notnull())


@check("warn")
def customer_and_product_are_known(reviews: ir.Table) -> ir.Table:
    """Every review has a customer and a product; the filters drop those without."""
    return reviews.filter(reviews.customer_id.isnull() | reviews.product_id.isnull())


@check("warn")
def helpful_votes_within_total(reviews: ir.Table) -> ir.Table:
    """No review has more helpful votes than votes."""
    return reviews.filter(reviews.helpful_votes > reviews.total_votes)


@check("warn")
def something_is_left(filtered_ratings: ir.Table, reviews: ir.Table) -> ir.Table:
    """A category with reviews keeps some of them; k-core may well leave none."""
    return reviews.select("category").distinct().anti_join(filtered_ratings, "category")


@check("error")
def every_rating_exported(train_ready_ratings: ir.Table, filtered_ratings: ir.Table) -> ir.Table:
    """The object of a category has as many rows as its filtered ratings."""
    changes = ibis.union(
        train_ready_ratings.select("category", "rows"),
        filtered_ratings.select("category", rows=ibis.literal(-1, "int64")),
    )
    balance = changes.group_by("category").aggregate(missing=-changes.rows.sum())
    return balance.filter(balance.missing != 0)
