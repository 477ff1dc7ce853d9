"""What the tables that models of ratings are trained on promise."""

from pipeline_assets.dataset.contract import Contract, Date, Double, Field, Int, Long, String
from pipeline_assets.dataset.training.conventions import PARTS
from pipeline_assets.dataset.training.interactions import POLICIES

_CATEGORY = Field(description="The category; ids are numbered within it.")
_INTERACTION = Field(ge=1, description="The interaction, numbered in the order of time.")
_USER = Field(ge=1, description="The customer, from 2 by reviews in training; 1 for unknown ones.")
_ITEM = Field(ge=1, description="The product, from 2 by reviews in training; 1 for unknown ones.")
_PART = Field(isin=list(PARTS), description="Part of the training set, by the policy of splits.")
_BEFORE = Field(ge=0, description="Reviews on earlier days.")
_MEAN = Field(ge=1, le=5, nullable=True, description="Their mean stars; null without any.")


class Interactions(Contract):
    """One row per customer and product: the first review that has a date and stars."""

    interaction_id: Long = _INTERACTION
    customer_id: String = Field(personal=True, description="Who wrote it.")
    product_id: String = Field(description="What it is about.")
    user_index: Int = _USER
    item_index: Int = _ITEM
    rating: Int = Field(ge=1, le=5, description="Stars.")
    happened_on: Date = Field(description="When it was written.")
    day: Int = Field(description="The same in days since 1970.")
    part: String = _PART
    policy: String = Field(isin=list(POLICIES), description="The policy of splits.")
    category: String = _CATEGORY

    class Config:
        """Keys."""

        unique = ("category", "customer_id", "product_id")


class Candidates(Contract):
    """One row per interaction of validation or test and thing that a model ranks for it."""

    interaction_id: Long = _INTERACTION
    user_index: Int = _USER
    item_index: Int = _ITEM
    choice_label: Int = Field(isin=[0, 1], description="1 for the product that was reviewed.")
    place: Int = Field(ge=0, description="0 for that product, else the order of drawing.")
    part: String = Field(isin=["validation", "test"], description="Part of the training set.")
    category: String = _CATEGORY

    class Config:
        """Keys."""

        unique = ("category", "interaction_id", "item_index")


class InteractionHistories(Contract):
    """One row per interaction: what was known of its customer and product on the day before."""

    interaction_id: Long = _INTERACTION
    customer_reviews: Long = _BEFORE
    customer_mean: Double = _MEAN
    product_reviews: Long = _BEFORE
    product_mean: Double = _MEAN
    category: String = _CATEGORY

    class Config:
        """Keys."""

        unique = ("category", "interaction_id")
