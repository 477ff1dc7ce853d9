"""What the Taobao tables promise.

Which faults reject a row and which only fail a check: a line that cannot be read as the vendor
describes it (see :mod:`pipeline_assets.domains.taobao.lines`) goes to ``rejected_rows`` and to no
other table. A line that reads well but contradicts another (a feature count that is not the number
of tokens, an index without common features, a conversion without click, a field nobody knows) stays
in its table, and a check that warns counts it.
"""

from typing import Final

from pipeline_assets.dataset.contract import Contract, Double, Field, Int, Long, String
from pipeline_assets.dataset.raw_contracts import RawText

TAOBAO: Final = "taobao"
"""Namespace of the domain's tables."""

USER_FIELDS = (
    "101 109_14 110_14 127_14 150_14 121 122 124 125 126 127 128 129".split()  # noqa: SIM905
)
ITEM_FIELDS = "205 206 207 210 216 508 509 702 853 301".split()  # noqa: SIM905

_SPLIT = Field(isin=["train", "test"], description="Part of the data set: train or test.")
_INDEX = Field(description="Identifies the features that impressions share.")
_NUM_FEATURES = Field(ge=0, description="Tokens the vendor says the line has.")
_FEATURE_NAME = Field(description="Field id; text, because `109_14` exists beside `127`.")
_FEATURE_ID = Field(ge=0, description="Id of the feature within all fields.")
_FEATURE_VALUE = Field(description="The feature's weight; often ln(1 + count).")


class RawFiles(RawText):
    """One row per stored part of the two files in a split's archive."""

    split: String = _SPLIT


class RejectedRows(Contract):
    """One row per line that could not be read, with its place and the reason."""

    source_uri: String = Field(description="The archive and, after `#`, the file in it.")
    member: String = Field(description="`sample_skeleton` or `common_features`.")
    line_number: Long = Field(ge=1, description="Line of that file, from 1.")
    reason: String = Field(description="All that is wrong with it, joined by commas.")
    raw: String = Field(description="The line as stored; escaped where it is not plain text.")
    split: String = _SPLIT


class Impressions(Contract):
    """One row per impression: an item shown to a user."""

    sample_id: Long = Field(ge=0, description="Identifies the impression within its split.")
    click_label: Int = Field(isin=[0, 1], description="1 if the user clicked.")
    conversion_label: Int = Field(isin=[0, 1], description="1 if the user bought.")
    common_features_index: String = _INDEX
    num_features: Int = _NUM_FEATURES
    split: String = _SPLIT

    class Config:
        """Keys."""

        unique = ("split", "sample_id")


class CoreFeatures(Contract):
    """One row per feature token of an impression; fields may repeat and every value is kept."""

    sample_id: Long = Field(ge=0, description="The impression, unique within its split.")
    feature_name: String = _FEATURE_NAME
    feature_id: Long = _FEATURE_ID
    feature_value: Double = _FEATURE_VALUE
    split: String = _SPLIT


class CommonFeaturesSummary(Contract):
    """One row per set of features that impressions share."""

    common_features_index: String = _INDEX
    num_features: Int = _NUM_FEATURES
    split: String = _SPLIT

    class Config:
        """Keys."""

        unique = ("split", "common_features_index")


class CommonFeatures(Contract):
    """One row per feature token of a shared set; fields may repeat and every value is kept."""

    common_features_index: String = _INDEX
    feature_name: String = _FEATURE_NAME
    feature_id: Long = _FEATURE_ID
    feature_value: Double = _FEATURE_VALUE
    split: String = _SPLIT
