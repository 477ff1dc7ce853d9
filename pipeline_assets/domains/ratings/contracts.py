"""What the ratings tables promise.

Which faults reject a row and which only fail a check: a record that cannot be split into its 15
fields, or whose stars, votes or date are not what the vendor describes, goes to ``rejected_rows``
and to no other table. An empty field is a null, and no fault: the published files have them. A row
that reads well but is odd (an identifier used twice, no customer or product) stays, and a check
that warns counts it.
"""

from typing import Any, Final

from pipeline_assets.dataset.contract import Contract, Date, Field, Int, String
from pipeline_assets.dataset.raw_contracts import RawRecords, RejectedRecords
from pipeline_assets.dataset.values.destinations import ExportedObjects

RATINGS: Final = "ratings"
"""Namespace of the domain's tables."""


def _delivered(*, personal: bool = False) -> Any:  # noqa: ANN401 - as Field
    return Field(
        personal=personal, nullable=True, description="As delivered; see the column of `reviews`."
    )


def _category() -> Any:  # noqa: ANN401 - as Field
    return Field(description="The category in the file's name.")


def _stars() -> Any:  # noqa: ANN401 - as Field
    return Field(ge=1, le=5, nullable=True, description="The customer's rating, 1 to 5 stars.")


class RawReviews(RawRecords):
    """One row per record of a category's file, as text."""

    marketplace: String = _delivered()
    customer_id: String = _delivered(personal=True)
    review_id: String = _delivered()
    product_id: String = _delivered()
    product_parent: String = _delivered()
    product_title: String = _delivered()
    product_category: String = _delivered()
    star_rating: String = _delivered()
    helpful_votes: String = _delivered()
    total_votes: String = _delivered()
    vine: String = _delivered()
    verified_purchase: String = _delivered()
    review_headline: String = _delivered(personal=True)
    review_body: String = _delivered(personal=True)
    review_date: String = _delivered()
    category: String = _category()


class RejectedRows(RejectedRecords):
    """One row per record that could not be read, with its place and the reason."""

    raw: String = Field(
        personal=True,
        description="The record's text. Of one that could be split, its fields joined by tabs in "
        "the order of `reviews`. At most 4,096 characters.",
    )
    category: String = _category()


class Reviews(Contract):
    """One row per review that a customer wrote of a product."""

    marketplace: String = Field(nullable=True, description="Country code of the shop.")
    customer_id: String = Field(personal=True, nullable=True, description="Who wrote it.")
    review_id: String = Field(nullable=True, description="Identifies the review.")
    product_id: String = Field(nullable=True, description="What it is about, an ASIN.")
    product_parent: String = Field(
        nullable=True, description="Groups variants of a product, such as colours."
    )
    product_title: String = Field(nullable=True, description="What the product is called.")
    product_category: String = Field(nullable=True, description="The vendor's category.")
    star_rating: Int = _stars()
    helpful_votes: Int = Field(ge=0, nullable=True, description="Votes that found it helpful.")
    total_votes: Int = Field(ge=0, nullable=True, description="Votes it got.")
    vine: String = Field(nullable=True, description="`Y` if written for the Vine program.")
    verified_purchase: String = Field(
        nullable=True, description="`Y` if the customer bought the product here."
    )
    review_headline: String = Field(personal=True, nullable=True, description="Its title.")
    review_body: String = Field(personal=True, nullable=True, description="Its text.")
    review_date: Date = Field(nullable=True, description="When it was written.")
    category: String = _category()


class FilteredRatings(Contract):
    """One row per review whose customer and whose product have enough reviews."""

    customer_id: String = Field(personal=True, description="Who rated.")
    product_id: String = Field(description="What was rated.")
    star_rating: Int = _stars()
    product_title: String = Field(nullable=True, description="What the product is called.")
    category: String = _category()


class TrainReadyRatings(ExportedObjects):
    """One row per exported CSV object: the filtered ratings of a category."""

    category: String = _category()
