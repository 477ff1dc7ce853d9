"""The tone of reviews by Amazon Comprehend, in place of the model that is trained here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import ibis.expr.types as ir

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import Learn
from pipeline_assets.domains.rentals.sentiment import NEGATIVE, NEUTRAL, POSITIVE

CLASSES: Final[Mapping[str, int]] = {
    "NEGATIVE": NEGATIVE,
    "NEUTRAL": NEUTRAL,
    "MIXED": NEUTRAL,
    "POSITIVE": POSITIVE,
}
"""Praise and blame in one review are neither; Comprehend's confidence in *mixed* stays."""


def by_comprehend(asset: LakeAsset, language: str) -> LakeAsset:
    """The same table with Comprehend's answers, which need no model.

    Args:
        asset: ``classified_movie_reviews``.
        language: Of the reviews, as Comprehend names it.
    """

    def classified_movie_reviews(movie_reviews: ir.Table) -> Learn:
        """How customers liked what they saw, as Amazon Comprehend reads it."""
        reviews = movie_reviews.select("cid", "review_str", "insert_date")
        parameters = {"document": "review_str", "language": language, "classes": dict(CLASSES)}
        return Learn("comprehend", reviews, parameters)

    inputs = tuple(spec for spec in asset.inputs if spec.name == "movie_reviews")
    return replace(asset, function=classified_movie_reviews, inputs=inputs)
