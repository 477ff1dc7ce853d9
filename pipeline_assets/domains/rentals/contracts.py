"""What the rentals tables promise.

Which faults reject a review and which only fail a check: a record that cannot be split, a customer
id that is no number or that the shop does not know, and a score that is not 1 to 5 go to
``rejected_rows`` and to no other table. An empty review and an empty score are no faults: people
click stars without a word, and vendors leave scores out. Nor is a review that is written again,
which may be of another film; a check that warns counts those. A payment or a rental whose film is
unknown stays, because its money is real; a check that warns counts it.
"""

from typing import Any, Final

from pipeline_assets.dataset.contract import (
    Boolean,
    Contract,
    Date,
    Double,
    Field,
    Int,
    Long,
    Money,
    String,
    Timestamp,
)
from pipeline_assets.dataset.raw_contracts import RawRecords, RejectedRecords
from pipeline_assets.domains.rentals.sentiment import NEGATIVE, NEUTRAL, POSITIVE

RENTALS: Final = "rentals"
"""Namespace of the domain's tables."""


def _window() -> Any:  # noqa: ANN401 - as Field
    return Field(description="The UTC day; the hour, as 2026-01-01T05, where settings say hourly.")


def _delivered(*, personal: bool = False) -> Any:  # noqa: ANN401 - as Field
    return Field(
        personal=personal,
        nullable=True,
        description="As delivered; see the column of `movie_reviews`.",
    )


def _share(meaning: str) -> Any:  # noqa: ANN401 - as Field
    return Field(in_range={"min_value": 0, "max_value": 1}, description=meaning)


def _score() -> Any:  # noqa: ANN401 - as Field
    return Field(ge=1, le=5, nullable=True, description="The customer's stars, if delivered.")


class UserPurchases(Contract):
    """One row per payment that a customer made in the window."""

    payment_id: Long = Field(description="Identifies the payment in the shop's database.")
    customer_id: Int = Field(personal=True, description="Who paid.")
    film_id: Int = Field(nullable=True, description="What for; null if the database cannot tell.")
    title: String = Field(nullable=True, description="Of the film.")
    category: String = Field(
        nullable=True, description="Of the film; of several, the one with the lowest id."
    )
    amount: Money = Field(description="What was paid; negative for money given back.")
    purchased_at: Timestamp = Field(description="When, in UTC.")
    insert_date: Date = _window()

    class Config:
        """Keys."""

        unique = ("insert_date", "payment_id")


class FilmRentals(Contract):
    """One row per film that a customer rented in the window, paid for or not."""

    rental_id: Int = Field(description="Identifies the rental in the shop's database.")
    customer_id: Int = Field(personal=True, description="Who rented.")
    film_id: Int = Field(nullable=True, description="What; null if the database cannot tell.")
    title: String = Field(nullable=True, description="Of the film.")
    category: String = Field(
        nullable=True, description="Of the film; of several, the one with the lowest id."
    )
    rented_at: Timestamp = Field(
        nullable=True, description="When, in UTC; null where the database keeps no date of rentals."
    )
    insert_date: Date = _window()

    class Config:
        """Keys."""

        unique = ("insert_date", "rental_id")


class RawMovieReviews(RawRecords):
    """One row per record of a reviews file, as text."""

    cid: String = _delivered(personal=True)
    review_str: String = _delivered(personal=True)
    score: String = _delivered()
    film: String = _delivered()
    customer_known: Boolean = Field(
        nullable=True,
        description="Whether the shop's database knew the customer when the file was read; null "
        "where no database is configured or the id is no number.",
    )
    insert_date: Date = _window()


class RejectedPurchases(Contract):
    """One row per payment of the window that cannot be used, with the reason."""

    payment_id: Long = Field(description="Identifies the payment in the shop's database.")
    reason: String = Field(description="`no_customer`, or `bad_amount` if it is no sum of money.")
    raw: String = Field(description="The payment as the database writes it.")
    insert_date: Date = _window()

    class Config:
        """Keys."""

        unique = ("payment_id",)


class RejectedRows(RejectedRecords):
    """One row per review that cannot be used, with its place and the reason."""

    raw: String = Field(
        personal=True,
        description="The record's text. Of one that could be split, its fields joined by commas. "
        "At most 4,096 characters.",
    )
    insert_date: Date = _window()


class MovieReviews(Contract):
    """One row per review that a customer wrote, as often as it was written."""

    cid: Int = Field(personal=True, ge=0, description="The customer's id in the shop's database.")
    review_str: String = Field(
        personal=True, description="The text, in any language; may be empty."
    )
    score: Int = _score()
    film: String = Field(
        nullable=True, description="Which film, as the vendor names it, if he does."
    )
    insert_date: Date = _window()


class SentimentWeights(Contract):
    """One row per known term and class: how much the term speaks for the class."""

    view: String = Field(
        description="What the term is: one of `words`, `pairs`, `beginnings`, `negated`, "
        "`contrasted`; empty for the model's own offset."
    )
    term: String = Field(description="As texts are taken apart; empty for the offset.")
    sentiment: Int = Field(
        isin=[NEGATIVE, NEUTRAL, POSITIVE], description="0 negative, 1 neutral, 2 positive."
    )
    weight: Long = Field(description="In millionths.")

    class Config:
        """Keys."""

        unique = ("term", "sentiment")


class ClassifiedMovieReviews(Contract):
    """One row per review, with the tone that the model hears in it."""

    cid: Int = Field(personal=True, ge=0, description="The customer's id in the shop's database.")
    review_str: String = Field(personal=True, description="The text.")
    sentiment: Int = Field(
        isin=[NEGATIVE, NEUTRAL, POSITIVE], description="0 negative, 1 neutral, 2 positive."
    )
    positive_review: Boolean = Field(description="Whether the sentiment is 2.")
    confidence: Double = _share("The model's calibrated probability of its answer, to 4 digits.")
    insert_date: Date = _window()


class UserBehaviorMetric(Contract):
    """One row per customer who paid or wrote a review in the window."""

    customer_id: Int = Field(personal=True, description="The customer.")
    amount_spent: Money = Field(description="Sum of the customer's payments; 0 without any.")
    purchase_count: Int = Field(ge=0, description="Number of the customer's payments.")
    review_score: Int = Field(ge=0, description="Number of the customer's positive reviews.")
    review_count: Int = Field(ge=0, description="Number of the customer's reviews.")
    insert_date: Date = _window()

    class Config:
        """Keys."""

        unique = ("insert_date", "customer_id")


class ViewingSimilarity(Contract):
    """One row per customer who ever rented a film up to the end of the window, paid for or not."""

    customer_id: Int = Field(personal=True, description="The customer.")
    rental_count: Int = Field(ge=1, description="Rentals up to then, not payments.")
    consecutive_similarity: Double = Field(
        in_range={"min_value": 0, "max_value": 1},
        nullable=True,
        description="Of the films rented one after the other, the share that are of one category; "
        "null if there are no two.",
    )
    insert_date: Date = _window()

    class Config:
        """Keys."""

        unique = ("insert_date", "customer_id")
