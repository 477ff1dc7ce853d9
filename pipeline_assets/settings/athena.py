"""Athena as an engine: its workgroup, where queries leave what they say, and what they cost."""

from pydantic import Field

from pipeline_assets.settings.values import Group


class AthenaSettings(Group):
    """Athena as an engine: its workgroup, where queries leave what they say, and what they cost."""

    athena_workgroup: str | None = Field(
        None, description="Workgroup of the queries; give it a limit of bytes scanned by a query."
    )
    athena_staging_uri: str | None = Field(
        None,
        description="s3:// prefix of jobs and results of queries; below the lake by default.",
    )
    athena_database: str = Field(
        "pipeline_audits",
        pattern=r"^[a-z0-9_]{1,100}$",
        description="Database of Glue for the external tables of audits, which are dropped again.",
    )
    athena_usd_per_tb: float | None = Field(
        None,
        ge=0,
        description="What a terabyte scanned costs in the region; without it the cost of a query "
        "is not estimated.",
    )
