"""What the tables that models are trained on promise.

A field has two columns: ``f210`` and ``f210_weight``. A field that an impression or a user has once
is a number, any other is a list in the order of the vendor's file. Index 0 is padding and stands
for no token at all; index 1 is a token that the vocabulary does not know.
"""

from typing import Final

from pipeline_assets.dataset.contract import (
    Contract,
    Double,
    Field,
    Float,
    FloatList,
    Int,
    IntList,
    Long,
    String,
    StringList,
)
from pipeline_assets.dataset.training.conventions import FIRST_INDEX, PARTS
from pipeline_assets.domains.taobao.contracts import ITEM_FIELDS, USER_FIELDS

LISTS: Final = frozenset({"210", "853", "109_14", "110_14", "127_14", "150_14"})
"""Fields that an impression or a user has any number of times."""
FIELDS: Final = (*USER_FIELDS, *ITEM_FIELDS)

_SPLIT = Field(isin=["train", "test"], description="Part of the data set as it is delivered.")
_PART = Field(isin=list(PARTS), description="Part of the training set, by the policy of splits.")
_USER_ROW = Field(
    ge=0, description="Row of the user in `encoded_users`, from 1; 0 for no common features."
)
_ONE = Field(ge=0, description="Index of the token in the vocabulary; 0 for none, 1 unknown.")
_WEIGHT = Field(description="Weight of the token; 0 where there is none.")
_MANY = Field(description="Indices of the tokens in the order of the file; 1 unknown.")
_WEIGHTS = Field(description="Weights of the tokens, in the same order.")
_TOKENS = Field(ge=0, description="Tokens of the line.")
_OTHERS = Field(
    description="Tokens as delivered that no field has a place for: of fields that nobody knows, "
    "and what repeats in a field of one value."
)


class UserGroups(Contract):
    """One row per set of features that impressions share: a user in one state."""

    common_features_index: String = Field(description="Identifies the set.")
    user_row: Int = _USER_ROW
    part: String = _PART
    split: String = _SPLIT

    class Config:
        """Keys."""

        unique = ("split", "common_features_index")


class TokenCounts(Contract):
    """One row per id of a field, also of fields that nobody knows: how many tokens there are."""

    feature_name: String = Field(description="The field.")
    feature_id: Long = Field(ge=0, description="The vendor's id.")
    count: Long = Field(ge=1, description="Its tokens in the split, of impressions and of users.")
    training_count: Long = Field(ge=0, description="Those of them in the training part.")
    split: String = _SPLIT

    class Config:
        """Keys."""

        unique = ("split", "feature_name", "feature_id")


class Vocabulary(Contract):
    """One row per token that models know, with its index within its field."""

    feature_name: String = Field(isin=list(FIELDS), description="The field.")
    feature_id: Long = Field(ge=0, description="The vendor's id.")
    index: Int = Field(ge=FIRST_INDEX, description="What models know it by; it never changes.")
    count: Long = Field(ge=0, description="Tokens in the training part; 0 if there are none now.")

    class Config:
        """Keys."""

        unique = ("feature_name", "feature_id")


class EncodedImpressions(Contract):
    """One row per impression: labels, the user's row, and the features of the item."""

    sample_id: Long = Field(ge=0, description="The impression, unique within its split.")
    click_label: Int = Field(isin=[0, 1], description="1 if the user clicked.")
    conversion_label: Int = Field(isin=[0, 1], description="1 if the user bought.")
    user_row: Int = _USER_ROW
    part: String = _PART
    num_tokens: Int = _TOKENS
    f205: Int = _ONE
    f205_weight: Float = _WEIGHT
    f206: Int = _ONE
    f206_weight: Float = _WEIGHT
    f207: Int = _ONE
    f207_weight: Float = _WEIGHT
    f210: IntList = _MANY
    f210_weight: FloatList = _WEIGHTS
    f216: Int = _ONE
    f216_weight: Float = _WEIGHT
    f508: Int = _ONE
    f508_weight: Float = _WEIGHT
    f509: Int = _ONE
    f509_weight: Float = _WEIGHT
    f702: Int = _ONE
    f702_weight: Float = _WEIGHT
    f853: IntList = _MANY
    f853_weight: FloatList = _WEIGHTS
    f301: Int = _ONE
    f301_weight: Float = _WEIGHT
    other_tokens: StringList = _OTHERS
    split: String = _SPLIT

    class Config:
        """Keys."""

        unique = ("split", "sample_id")


class EncodedUsers(Contract):
    """One row per user row: the features that impressions of it share."""

    user_row: Int = Field(ge=1, description="What impressions refer to; rows are dense from 1.")
    part: String = _PART
    num_tokens: Int = _TOKENS
    f101: Int = _ONE
    f101_weight: Float = _WEIGHT
    f109_14: IntList = _MANY
    f109_14_weight: FloatList = _WEIGHTS
    f110_14: IntList = _MANY
    f110_14_weight: FloatList = _WEIGHTS
    f127_14: IntList = _MANY
    f127_14_weight: FloatList = _WEIGHTS
    f150_14: IntList = _MANY
    f150_14_weight: FloatList = _WEIGHTS
    f121: Int = _ONE
    f121_weight: Float = _WEIGHT
    f122: Int = _ONE
    f122_weight: Float = _WEIGHT
    f124: Int = _ONE
    f124_weight: Float = _WEIGHT
    f125: Int = _ONE
    f125_weight: Float = _WEIGHT
    f126: Int = _ONE
    f126_weight: Float = _WEIGHT
    f127: Int = _ONE
    f127_weight: Float = _WEIGHT
    f128: Int = _ONE
    f128_weight: Float = _WEIGHT
    f129: Int = _ONE
    f129_weight: Float = _WEIGHT
    other_tokens: StringList = _OTHERS
    split: String = _SPLIT

    class Config:
        """Keys."""

        unique = ("split", "user_row")


class VocabularyCoverage(Contract):
    """One row per field and part: how much of it the vocabulary knows."""

    feature_name: String = Field(isin=list(FIELDS), description="The field.")
    part: String = _PART
    tokens: Long = Field(ge=0, description="Tokens of the field.")
    unknown: Long = Field(ge=0, description="Those of them that the vocabulary does not know.")
    unknown_share: Double = Field(
        nullable=True, ge=0, le=1, description="Unknown tokens of all; null where there are none."
    )
    split: String = _SPLIT

    class Config:
        """Keys."""

        unique = ("split", "part", "feature_name")
