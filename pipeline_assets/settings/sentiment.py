"""Who says what customers liked."""

from typing import Literal

from pydantic import Field

from pipeline_assets.settings.values import Group


class SentimentSettings(Group):
    """Who says what customers liked."""

    sentiment: Literal["model", "comprehend"] = Field(
        "model",
        description="What classifies film reviews: the model that is trained here, or Amazon "
        "`comprehend` ([aws_services.md](aws_services.md)).",
    )
    comprehend_language: Literal[
        "ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "pt", "zh", "zh-TW"
    ] = Field("en", description="Language of the reviews that Comprehend is asked about.")
    comprehend_budget_usd: float = Field(
        5, ge=0, description="A run that would cost more at Comprehend's list price asks nothing."
    )
