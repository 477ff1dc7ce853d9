"""What vendors deliver and how it is read."""

from typing import Final

from pydantic import Field

from pipeline_assets.dataset.values.expansion import LANDING_EXPANSION
from pipeline_assets.settings.values import FolderOrPrefix, Group

MEBIBYTE: Final = 1024 * 1024


class LandingSettings(Group):
    """What vendors deliver and how it is read."""

    landing_uri: FolderOrPrefix = Field(
        "./landing", description="Folder or s3:// prefix vendors deliver to."
    )
    landing_settle_seconds: float = Field(
        60, ge=0, description="A landing object is read once it has not changed for so long."
    )
    landing_objects_per_look: int = Field(
        20_000, ge=1000, description="How many landing objects a sensor lists per tick."
    )
    landing_queue_url: str | None = Field(
        None,
        description="SQS queue of S3's event notifications for the landing zone. With it, sensors "
        "read new objects at once, and list the zone only once an hour.",
    )
    sqs_endpoint_url: str | None = Field(
        None, description="Endpoint of an SQS that is not Amazon's, for instance a test server."
    )
    landing_expansion: int = Field(
        LANDING_EXPANSION,
        ge=1,
        description="A compressed delivery is refused if it unfolds to more than 8 MiB and to "
        "more than so many times its size.",
    )
    raw_part_mib: int = Field(16, ge=1, le=1024, description="Size of one raw text part, in MiB.")

    @property
    def raw_part_bytes(self) -> int:
        """Size of one raw text part, in bytes."""
        return self.raw_part_mib * MEBIBYTE
