"""What was known of a customer and of a product on the day before a review."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.training.as_of import as_of


def with_histories(interactions: ir.Table, reviews: ir.Table) -> ir.Table:
    """The reviews of each interaction's customer and product on earlier days, and their mean."""
    keys = ["category", "interaction_id"]
    events = interactions.select(*keys, "customer_id", "product_id", "happened_on")
    for name in ("customer", "product"):
        key = ["category", f"{name}_id"]
        facts = _by_the_end_of_each_day(reviews, key)
        events = as_of(
            events, facts, key=key, at="happened_on", true_from="review_date", prefix=f"{name}_"
        )
    return events.select(
        *keys,
        "customer_mean",
        "product_mean",
        customer_reviews=events.customer_reviews.fill_null(0),
        product_reviews=events.product_reviews.fill_null(0),
    )


def _by_the_end_of_each_day(reviews: ir.Table, key: list[str]) -> ir.Table:
    """Reviews with stars of a key up to and including each day that has any."""
    usable = reviews.filter(reviews.review_date.notnull() & reviews.star_rating.notnull())
    days = usable.group_by(*key, "review_date").aggregate(
        reviews=usable.count(), stars=usable.star_rating.sum().cast("int64")
    )
    so_far = ibis.window(group_by=key, order_by=days.review_date, rows=(None, 0))
    summed = days.mutate(
        reviews=days.reviews.sum().over(so_far).cast("int64"),
        stars=days.stars.sum().over(so_far).cast("int64"),
    )
    mean = summed.stars.cast("float64") / summed.reviews
    return summed.select(*key, "review_date", "reviews", mean=mean)
