"""Databases that are read from or loaded into."""

from datetime import date

from pydantic import BaseModel, Field

from pipeline_assets.dataset.values.windows import FIRST_DAY, LAST_DAY, Granularity
from pipeline_assets.settings.values import Dsn, WarehouseDsn


class DatabaseSettings(BaseModel):
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
