"""Where Dagster keeps its state, and when it does what."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, field_validator

from pipeline_assets.settings.values import Dsn, Group


class DagsterSettings(Group):
    """Where Dagster keeps its state, and when it does what."""

    dagster_home: Path = Field(
        Path(".dagster"),
        validation_alias=AliasChoices("dagster_home", "PIPELINE_DAGSTER_HOME", "DAGSTER_HOME"),
        description="Where Dagster keeps runs and events; DAGSTER_HOME sets it too.",
    )
    instance_dsn: Dsn | None = Field(
        None,
        description="Postgres in which Dagster keeps runs and events; by default they are SQLite "
        "files in the Dagster home.",
    )
    compute_logs_uri: str | None = Field(
        None,
        description="s3:// prefix for what steps print; by default it stays in the Dagster home.",
    )
    isolated_steps: bool = Field(
        True,
        description="Run each step in a process of its own, if a sensor or the UI starts the run. "
        "Otherwise steps follow one another in the run's process, which is faster for small data.",
    )
    sensor_seconds: int = Field(
        30, ge=1, description="How often sensors list the landing zone and find what is stale."
    )
    retry_minutes: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (10, 60, 360),
        description="Minutes before each retry of a failed run that a sensor has started, as JSON; "
        "`[]` for none. A failed audit is not retried.",
    )
    openlineage: bool = Field(
        False,
        description="Tell every publish to the receiver that OpenLineage's own settings name, such "
        "as `OPENLINEAGE_URL`.",
    )
    ui_url: str = Field("http://localhost:3000", description="Root of the UI, for links in alerts.")

    @field_validator("compute_logs_uri")
    @classmethod
    def _in_a_bucket(cls, uri: str | None) -> str | None:
        if uri is not None and not re.match("s3://[^/]", uri):
            raise ValueError(f"'{uri}' is no s3:// prefix")
        return uri

    @property
    def retry_waits(self) -> tuple[float, ...]:
        """The pause before each retry of a failed run, in seconds."""
        return tuple(60 * minutes for minutes in self.retry_minutes)
