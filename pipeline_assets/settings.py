"""Every knob, read from the environment (and ``.env``) in this one place."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline_assets.errors import PipelineError

EngineName: TypeAlias = Literal["embedded", "spark", "emr", "emr-serverless"]
PREFIX = "PIPELINE_"
MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """The project's settings; field ``lake_uri`` is the variable ``PIPELINE_LAKE_URI``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    lake_uri: str = Field("./lake", description="Folder or s3:// prefix of the lake's tables.")
    landing_uri: str = Field("./landing", description="Folder or s3:// prefix vendors deliver to.")
    catalog_uri: str | None = Field(
        None,
        description="Iceberg catalog: `glue`, or a SQLAlchemy URL; by default a SQLite file in a "
        "local lake, or in the Dagster home for a lake on S3.",
    )
    dagster_home: Path = Field(
        Path(".dagster"),
        validation_alias=AliasChoices("dagster_home", "PIPELINE_DAGSTER_HOME", "DAGSTER_HOME"),
        description="Where Dagster keeps runs and events; DAGSTER_HOME sets it too.",
    )
    engine: EngineName = Field("embedded", description="Engine that computes every asset.")
    engine_overrides: Mapping[str, EngineName] = Field(
        default_factory=dict,
        description='Engine per asset, as JSON of glob to engine: `{"taobao/*": "emr"}`.',
    )
    memory_limit_mib: int = Field(2048, ge=256, description="Embedded engine's memory, in MiB.")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, description="Embedded engine's threads."
    )
    spill_dir: Path | None = Field(
        None, description="Where the embedded engine spills; a temporary folder by default."
    )
    raw_part_mib: int = Field(16, ge=1, le=1024, description="Size of one raw text part, in MiB.")
    s3_endpoint_url: str | None = Field(
        None, description="Endpoint of an S3 that is not Amazon's, for instance a test server."
    )
    s3_region: str | None = Field(None, description="Region of the buckets, if not the default.")

    @field_validator("lake_uri", "landing_uri")
    @classmethod
    def _absolute(cls, uri: str) -> str:
        if uri.startswith("s3://"):
            return uri.rstrip("/")
        if "://" in uri:
            raise ValueError(f"'{uri}' is neither a folder nor an s3:// prefix")
        return str(Path(uri).expanduser().resolve())

    @property
    def raw_part_bytes(self) -> int:
        """Size of one raw text part, in bytes."""
        return self.raw_part_mib * MEBIBYTE

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the environment.

        Raises:
            PipelineError: A variable is unknown or its value is unusable; the message names it.
        """
        _refuse_unknown_names(os.environ)
        try:
            return cls()
        except ValidationError as error:
            raise PipelineError(_one_line(error)) from None


def _refuse_unknown_names(environment: Mapping[str, str]) -> None:
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            raise PipelineError(f"Unknown setting {name}; {hint}")


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    name = PREFIX + str(first["loc"][0]).upper() if first["loc"] else PREFIX + "…"
    return f"Setting {name}: {first['msg']}"
