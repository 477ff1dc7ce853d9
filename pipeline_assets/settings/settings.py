"""The settings of all groups together, read from the environment.

They are environment variables, which only this room reads, from the environment and from the file
``.env``. A wrong or unknown one is an error that names it, because a misspelt setting would
otherwise be ignored and the default would count. `docs/settings.md` is generated from here.
"""

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from pipeline_assets.errors import PipelineError
from pipeline_assets.settings.alerts import AlertSettings
from pipeline_assets.settings.api import ApiSettings
from pipeline_assets.settings.athena import AthenaSettings
from pipeline_assets.settings.dagster import DagsterSettings
from pipeline_assets.settings.databases import DatabaseSettings
from pipeline_assets.settings.emr import EmrSettings
from pipeline_assets.settings.engines import EngineSettings
from pipeline_assets.settings.faults import one_line, refuse_unknown_names
from pipeline_assets.settings.lake import LakeSettings
from pipeline_assets.settings.landing import LandingSettings
from pipeline_assets.settings.pageviews import PageViewSettings
from pipeline_assets.settings.sentiment import SentimentSettings

PREFIX: Final = "PIPELINE_"
ENV_FILE: Final = ".env"
GROUPS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(
    {
        "Lake": LakeSettings,
        "Landing zone": LandingSettings,
        "Engines": EngineSettings,
        "EMR": EmrSettings,
        "Athena": AthenaSettings,
        "Databases": DatabaseSettings,
        "Page views": PageViewSettings,
        "Sentiment": SentimentSettings,
        "Dagster": DagsterSettings,
        "HTTP API": ApiSettings,
        "Alerts": AlertSettings,
    }
)
"""Title of each group in docs/settings.md; a new group is also a base of `Settings`."""


class Settings(  # pydantic lists the fields of the last base first
    AlertSettings,
    ApiSettings,
    DagsterSettings,
    SentimentSettings,
    PageViewSettings,
    DatabaseSettings,
    AthenaSettings,
    EmrSettings,
    EngineSettings,
    LandingSettings,
    LakeSettings,
    BaseSettings,
):
    """The project's settings; field ``lake_uri`` is the variable ``PIPELINE_LAKE_URI``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the environment.

        Raises:
            PipelineError: A variable is unknown or its value is unusable; the message names it.
        """
        names = [*os.environ, *dotenv_values(ENV_FILE)]
        refuse_unknown_names(names, list(cls.model_fields), PREFIX)
        try:
            return cls()
        except ValidationError as error:
            # Not chained: the original error may quote a password.
            raise PipelineError(one_line(error, PREFIX)) from None
        except SettingsError as error:
            # pydantic-settings says only in its text which variable holds no JSON.
            (field,) = re.findall(r'field "(\w+)"', str(error))
            raise PipelineError(f"Setting {PREFIX}{field.upper()}: not valid JSON") from None
