"""What the activity tables promise.

Which faults reject an event: a line that is no JSON object, an event without an identifier, a
customer, a film or a kind that is none, a time that is not written in UTC or lies in another hour
than the object it landed in, a duration that is none, and an event that was delivered before. Each
of them goes to ``rejected_rows`` and to no other table. A search has no film, and only what lasts
has seconds.
"""

from typing import Any, Final

from pipeline_assets.dataset.contract import (
    Contract,
    Date,
    Double,
    Field,
    Int,
    Long,
    String,
    Timestamp,
)
from pipeline_assets.dataset.raw_contracts import RawRecords, RejectedRecords

ACTIVITY: Final = "activity"
"""Namespace of the domain's tables."""
KINDS: Final = ("view", "click", "pause", "rent", "search")


def _hour() -> Any:  # noqa: ANN401 - as Field
    return Field(description="The hour of the event in UTC, as 2026-01-31T23.")


def _delivered(*, personal: bool = False) -> Any:  # noqa: ANN401 - as Field
    return Field(
        personal=personal, nullable=True, description="As delivered; see the column of `events`."
    )


def _count(meaning: str) -> Any:  # noqa: ANN401 - as Field
    return Field(ge=0, description=meaning)


class StreamBatches(Contract):
    """One row per shard of a batch: which records of the stream were read, and what they held."""

    stream: String = Field(description="Name of the stream.")
    shard: String = Field(description="The shard.")
    first_sequence: String = Field(description="Sequence number of the first record.")
    last_sequence: String = Field(description="Sequence number of the last record.")
    records: Long = Field(ge=1, description="Records of the range.")
    lines: Long = _count("Lines in them, one for each event.")
    unreadable: Long = _count("Records that could not be unpacked; each is a line that says why.")
    bytes: Long = _count("Size of the records as they lie in the stream.")
    first_arrival: Timestamp = Field(description="When the first record came, UTC.")
    last_arrival: Timestamp = Field(description="When the last record came, UTC.")
    batch: String = Field(description="Number of the batch.")


class RawEvents(RawRecords):
    """One row per line of an hour's landed objects, as text."""

    event_id: String = _delivered()
    customer_id: String = _delivered(personal=True)
    film_id: String = _delivered()
    kind: String = _delivered()
    occurred_at: String = _delivered()
    seconds: String = _delivered()
    hour: String = _hour()


class RejectedRows(RejectedRecords):
    """One row per line that is no event, or an event that was delivered before."""

    raw: String = Field(
        personal=True,
        description="The line. Of one that is an object, its fields joined by commas in the order "
        "of `events`. At most 4,096 characters.",
    )
    hour: String = _hour()


class Events(Contract):
    """One row per event of a customer, however often it was delivered."""

    event_id: String = Field(description="Identifies the event.")
    customer_id: Int = Field(ge=1, personal=True, description="Who did it.")
    film_id: Int = Field(ge=1, nullable=True, description="With which film; null for a search.")
    kind: String = Field(isin=list(KINDS), description="What was done.")
    occurred_at: Timestamp = Field(description="When, UTC.")
    seconds: Double = Field(ge=0, nullable=True, description="How long it took, if it lasted.")
    hour: String = _hour()

    class Config:
        """Keys."""

        unique = ("hour", "event_id")


class CustomerActivity(Contract):
    """One row per customer and day of which there are events."""

    customer_id: Int = Field(personal=True, description="Who.")
    seconds: Double = Field(ge=0, description="Time spent: the seconds of all events.")
    events: Int = _count("All events.")
    views: Int = _count("Events of kind `view`.")
    clicks: Int = _count("Events of kind `click`.")
    pauses: Int = _count("Events of kind `pause`.")
    rents: Int = _count("Events of kind `rent`.")
    searches: Int = _count("Events of kind `search`.")
    sessions: Int = Field(ge=1, description="Runs of events with less than 30 minutes in between.")
    films: Int = _count("Different films.")
    rented_after_viewed: Int = _count("Films rented after they were viewed on the same day.")
    day: Date = Field(description="The UTC day.")

    class Config:
        """Keys."""

        unique = ("day", "customer_id")


class RentsAfterViews(Contract):
    """One row per customer, day, film viewed and film rented after that view."""

    customer_id: Int = Field(personal=True, description="Who.")
    viewed_film_id: Int = Field(description="The film that was viewed first.")
    rented_film_id: Int = Field(description="The film that was rented then; often the same one.")
    seconds: Long = Field(ge=0, description="Whole seconds from the first view to the last rent.")
    day: Date = Field(description="The UTC day.")

    class Config:
        """Keys."""

        unique = ("day", "customer_id", "viewed_film_id", "rented_film_id")
