"""The settings of all groups together, read from the environment.

They are environment variables, which only this room reads, from the environment and from the file
``.env``. A wrong or unknown one is an error that names it, because a misspelt setting would
otherwise be ignored and the default would count. `docs/settings.md` is generated from here.
"""

import hashlib
import json
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
from pipeline_assets.settings.lake import EnvironmentSettings, LakeSettings
from pipeline_assets.settings.landing import LandingSettings
from pipeline_assets.settings.pageviews import PageViewSettings
from pipeline_assets.settings.sentiment import SentimentSettings
from pipeline_assets.settings.streams import StreamSettings
from pipeline_assets.storage.environments import environment_uri, lake_of

PREFIX: Final = "PIPELINE_"
ENV_FILE: Final = ".env"
GROUPS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(
    {
        "Lake": LakeSettings,
        "Environments": EnvironmentSettings,
        "Landing zone": LandingSettings,
        "Engines": EngineSettings,
        "EMR": EmrSettings,
        "Athena": AthenaSettings,
        "Databases": DatabaseSettings,
        "Page views": PageViewSettings,
        "Stream": StreamSettings,
        "Sentiment": SentimentSettings,
        "Dagster": DagsterSettings,
        "HTTP API": ApiSettings,
        "Alerts": AlertSettings,
    }
)
"""Title of each group in docs/settings.md; a new group is also a base of `Settings`."""
_OUTWARD: Final = (
    "alert_slack_webhook",
    "alert_smtp_url",
    "alert_sns_topic_arn",
    "compute_logs_uri",
    "instance_dsn",
    "keys_table",
    "landing_queue_url",
    "stream_name",
    "warehouse_dsn",
)
"""Settings that an environment does without."""
_OF_THE_SHELL: Final = frozenset({"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL"})
"""Variables that differ between two commands of one terminal, and say nothing of either."""


class Settings(  # pydantic lists the fields of the last base first
    AlertSettings,
    ApiSettings,
    DagsterSettings,
    SentimentSettings,
    StreamSettings,
    PageViewSettings,
    DatabaseSettings,
    AthenaSettings,
    EmrSettings,
    EngineSettings,
    LandingSettings,
    EnvironmentSettings,
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
            settings = cls()
        except ValidationError as error:
            # Not chained: the original error may quote a password.
            raise PipelineError(one_line(error, PREFIX)) from None
        except SettingsError as error:
            # pydantic-settings says only in its text which variable holds no JSON.
            (field,) = re.findall(r'field "(\w+)"', str(error))
            raise PipelineError(f"Setting {PREFIX}{field.upper()}: not valid JSON") from None
        if settings.lake_uri != lake_of(settings.lake_uri):
            raise PipelineError(
                f"{PREFIX}LAKE_URI is an environment: set it to {lake_of(settings.lake_uri)}, and "
                f"{PREFIX}ENVIRONMENT={settings.lake_uri.rpartition('/')[2]}"
            )
        return settings.within(settings.environment) if settings.environment else settings

    def staging_uri(self, chosen: str | None) -> str:
        """Where jobs of a remote engine and their manifests travel, if none is chosen for it."""
        return chosen or f"{self.lake_uri}/_jobs"

    def circumstances(self) -> str:
        """A digest of these settings, but for secrets, and of the rest of the environment.

        Whoever remembers what depends on code compares it: nobody can tell what an author's module
        looks at when it is imported.
        """
        theirs = {
            name: value
            for name, value in os.environ.items()
            if name not in _OF_THE_SHELL and not name.startswith(PREFIX)
        }
        text = json.dumps([self.model_dump_json(), sorted(theirs.items())])
        return hashlib.sha256(text.encode()).hexdigest()

    def within(self, environment: str) -> "Settings":
        """The same in an environment, which neither loads nor tells anybody outside of it.

        It has a lake and a Dagster home of its own. It takes no events from a stream or a queue,
        because whoever takes one takes it from production.
        """
        kept = ("environments", environment)
        home = self.dagster_home
        return self.model_copy(
            update={
                **dict.fromkeys(_OUTWARD),
                "environment": environment,
                "lake_uri": environment_uri(self.lake_uri, environment),
                "dagster_home": home if home.parts[-2:] == kept else home.joinpath(*kept),
                "deployment_name": f"{self.deployment_name}-{environment}",
                "openlineage": False,
            }
        )
