"""Which ratings are worth learning from: those of customers and products with enough of them."""

from typing import Literal

import dagster as dg
import ibis.expr.types as ir
from pydantic import Field

from pipeline_assets.dataset.computation import Computation, Fixpoint

MAX_ROUNDS = 1_000
_MOST_ROWS = 1_000_000


class FilterConfig(dg.Config):
    """How ratings are filtered."""

    method: Literal["one_shot", "k_core"] = Field(
        default="one_shot",
        description="`one_shot` counts once, on all reviews; `k_core` counts again in what is left "
        "until nothing changes, which may leave nothing.",
    )
    min_customer_rows: int = Field(
        default=5,
        ge=1,
        le=_MOST_ROWS,
        description="Reviews that a customer must have; several of one product count.",
    )
    min_product_rows: int = Field(
        default=10,
        ge=1,
        le=_MOST_ROWS,
        description="Reviews that a product must have; several by one customer count.",
    )


def filtered(ratings: ir.Table, config: FilterConfig) -> Computation:
    """Filter the ratings of one category by the configured method."""
    if config.method == "one_shot":
        return frequent(ratings, config)
    pairs = ratings.select("customer_id", "product_id")
    return Fixpoint(
        initial=_of_frequent(pairs, "customer_id", config.min_customer_rows),
        step=lambda left: _shrunk(left, config),
        result=lambda left: _of_both(
            ratings,
            products=left.select("product_id").distinct(),
            customers=left.select("customer_id").distinct(),
        ),
        max_rounds=MAX_ROUNDS,
        keys=("customer_id", "product_id"),
    )


def frequent(ratings: ir.Table, config: FilterConfig) -> ir.Table:
    """Rows whose customer and whose product have enough rows, both counted in these rows.

    A row without customer or product counts for the other one, and drops.
    """
    return _of_both(
        ratings,
        products=_with_rows(ratings, "product_id", config.min_product_rows),
        customers=_with_rows(ratings, "customer_id", config.min_customer_rows),
    )


def _shrunk(left: ir.Table, config: FilterConfig) -> ir.Table:
    """Products first, then customers in what these leave: the same end as both at once, sooner.

    The start has judged customers: most of them write one review, so that leaves the least.
    """
    kept = _of_frequent(left, "product_id", config.min_product_rows)
    return _of_frequent(kept, "customer_id", config.min_customer_rows)


def _of_frequent(ratings: ir.Table, key: str, least: int) -> ir.Table:
    return ratings.semi_join(_with_rows(ratings, key, least), key)


def _of_both(ratings: ir.Table, products: ir.Table, customers: ir.Table) -> ir.Table:
    """Ratings of some products by some customers; once both are left, nothing removes a rating."""
    return ratings.semi_join(customers, "customer_id").semi_join(products, "product_id")


def _with_rows(ratings: ir.Table, key: str, least: int) -> ir.Table:
    counted = ratings.group_by(key).aggregate(rows=ratings.count())
    return counted.filter(counted.rows >= least).select(key)
