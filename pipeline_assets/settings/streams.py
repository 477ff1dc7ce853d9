"""The stream of what customers do."""

from datetime import date

from pydantic import Field

from pipeline_assets.dataset.values.windows import FIRST_EVENT_DAY, LAST_DAY
from pipeline_assets.settings.values import Group


class StreamSettings(Group):
    """The stream of what customers do."""

    stream_name: str | None = Field(
        None,
        pattern=r"^[a-zA-Z0-9_.-]{1,128}$",
        description="Kinesis stream of customers' events, read in the region of the buckets. "
        "Without it none is read; events may still land as files.",
    )
    stream_endpoint_url: str | None = Field(
        None, description="Endpoint of a Kinesis that is not Amazon's, for instance a test server."
    )
    stream_batch_records: int = Field(
        50_000,
        ge=1,
        description="How many records a batch of the stream holds at most; all of a batch is held "
        "in memory, and it ends at 64 MiB anyway.",
    )
    events_start: date = Field(
        FIRST_EVENT_DAY,
        le=LAST_DAY,
        description="First day of the hourly tables of events; earlier events are rejected. "
        "Dagster counts all hours since.",
    )
