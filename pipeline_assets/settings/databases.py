"""Databases that are read from or loaded into."""

from datetime import date

from pydantic import Field

from pipeline_assets.dataset.values.windows import FIRST_DAY, LAST_DAY, Granularity
from pipeline_assets.settings.values import Dsn, Group, WarehouseDsn


class DatabaseSettings(Group):
    """Databases that are read from or loaded into."""

    oltp_dsn: Dsn | None = Field(
        None,
        description="Postgres of the rental shop: a postgresql:// URL or key=value words. Without "
        "it, assets that read it are not expected to have partitions.",
    )
    rentals_granularity: Granularity = Field(
        "daily", description="Partition the rentals tables by day, or `hourly`, in UTC."
    )
    rentals_start: date = Field(
        FIRST_DAY,
        le=LAST_DAY,
        description="First day of the rentals tables; earlier payments are left out. Choose a "
        "recent one for hourly tables: Dagster counts all hours, and twenty years of them take it "
        "2 s a step.",
    )
    warehouse_dsn: WarehouseDsn | None = Field(
        None,
        description="Warehouse that tables are loaded into, Postgres or Redshift "
        "([redshift.md](redshift.md)); without it nothing is loaded.",
    )
    keys_table: str | None = Field(
        None,
        pattern=r"^[a-zA-Z0-9_.-]{3,255}$",
        description="DynamoDB table that rows are published to by key, in the region of the "
        "buckets ([keys.md](keys.md)); without it nothing is published by key.",
    )
    keys_endpoint_url: str | None = Field(
        None, description="Endpoint of a DynamoDB that is not Amazon's, for instance a test server."
    )
    keys_lookups: bool = Field(
        True, description="Whether `serve` answers lookups by key from there, where it can."
    )
