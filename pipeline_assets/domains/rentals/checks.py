"""What must hold across the rentals tables."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import unaccounted
from pipeline_assets.dataset.asset import check
from pipeline_assets.domains.rentals.records import rejected


@check("warn")
def every_payment_has_a_film(user_purchases: ir.Table) -> ir.Table:
    """The film of every payment is known; without it the payment still counts as money."""
    return user_purchases.filter(user_purchases.film_id.isnull())


@check("warn")
def every_rental_has_a_film(film_rentals: ir.Table) -> ir.Table:
    """The film of every rental is known; without it the rental is like no other."""
    return film_rentals.filter(film_rentals.film_id.isnull())


@check("warn")
def reviews_are_written_once(movie_reviews: ir.Table) -> ir.Table:
    """Nobody writes the same of a film twice in a window; reviews that are, count each time."""
    same = ["insert_date", "cid", "review_str", "score", "film"]
    counted = movie_reviews.group_by(same).aggregate(written=movie_reviews.count())
    return counted.filter(counted.written > 1)


@check("error")
def every_record_accounted(movie_reviews: ir.Table, raw_movie_reviews: ir.Table) -> ir.Table:
    """Reviews and rejected rows together are the records of the vendor's file."""
    rejects = rejected(raw_movie_reviews)
    return unaccounted("insert_date", raw_movie_reviews, movie_reviews, rejects)


@check("error")
def every_review_classified(
    classified_movie_reviews: ir.Table, movie_reviews: ir.Table
) -> ir.Table:
    """There are as many classified reviews as reviews."""
    return unaccounted("insert_date", movie_reviews, classified_movie_reviews)


@check("error")
def money_counts_once(user_behavior_metric: ir.Table, user_purchases: ir.Table) -> ir.Table:
    """Money and purchases of the metric are those of the payments, whatever was reviewed."""
    spent = user_behavior_metric.select(
        "insert_date",
        amount=-user_behavior_metric.amount_spent.cast("decimal(38, 5)"),
        purchases=-user_behavior_metric.purchase_count.cast("int64"),
    )
    paid = user_purchases.select(
        "insert_date",
        amount=user_purchases.amount.cast("decimal(38, 5)"),
        purchases=ibis.literal(1, "int64"),
    )
    balance = _summed(spent.union(paid), "amount", "purchases")
    return balance.filter((balance.amount != 0) | (balance.purchases != 0))


@check("error")
def reviews_count_once(
    user_behavior_metric: ir.Table, classified_movie_reviews: ir.Table
) -> ir.Table:
    """Reviews of the metric are those that were classified, whatever was bought."""
    counted = user_behavior_metric.select(
        "insert_date", reviews=-user_behavior_metric.review_count.cast("int64")
    )
    written = classified_movie_reviews.select("insert_date", reviews=ibis.literal(1, "int64"))
    balance = _summed(counted.union(written), "reviews")
    return balance.filter(balance.reviews != 0)


def _summed(changes: ir.Table, *columns: str) -> ir.Table:
    return changes.group_by("insert_date").aggregate(
        **{name: changes[name].sum() for name in columns}
    )
