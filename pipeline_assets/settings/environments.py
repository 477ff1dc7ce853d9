"""Which environment is worked in."""

from pydantic import BaseModel, Field

from pipeline_assets.storage.environments import NAME


class EnvironmentSettings(BaseModel):
    """Which environment is worked in."""

    environment: str | None = Field(
        None,
        pattern=rf"^{NAME.pattern}$",
        description="Name of an environment that `env create` has made: everything then reads and "
        "publishes there ([environments.md](environments.md)). Without it, in the lake itself.",
    )
