"""What the tables that models of listening are trained on promise."""

from pipeline_assets.dataset.contract import Contract, Date, Field, Int, Long, String
from pipeline_assets.dataset.training.conventions import PARTS
from pipeline_assets.dataset.training.interactions import POLICIES

_INTERACTION = Field(ge=1, description="The interaction, numbered in the order of time.")
_USER = Field(ge=1, description="The listener, from 2 by artists in training; 1 for unknown ones.")
_ITEM = Field(ge=1, description="The artist, from 2 by listeners in training; 1 for unknown ones.")
_PART = Field(isin=list(PARTS), description="Part of the training set, by the policy of splits.")


class Interactions(Contract):
    """One row per listener and artist, from the first snapshot that has both."""

    interaction_id: Long = _INTERACTION
    user_id: String = Field(personal=True, description="The listener.")
    artist_name: String = Field(description="The artist.")
    user_index: Int = _USER
    item_index: Int = _ITEM
    playcount: Long = Field(ge=1, description="How often, by then.")
    happened_on: Date = Field(description="The day of that snapshot.")
    day: Int = Field(description="The same in days since 1970.")
    part: String = _PART
    policy: String = Field(isin=list(POLICIES), description="The policy of splits.")

    class Config:
        """Keys."""

        unique = ("user_id", "artist_name")


class Candidates(Contract):
    """One row per interaction of validation or test and thing that a model ranks for it."""

    interaction_id: Long = _INTERACTION
    user_index: Int = _USER
    item_index: Int = _ITEM
    choice_label: Int = Field(isin=[0, 1], description="1 for the artist who came next.")
    place: Int = Field(ge=0, description="0 for that artist, else the order of drawing.")
    part: String = Field(isin=["validation", "test"], description="Part of the training set.")

    class Config:
        """Keys."""

        unique = ("interaction_id", "item_index")
