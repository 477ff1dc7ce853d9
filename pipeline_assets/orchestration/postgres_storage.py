"""Dagster's storage in the Postgres of our settings; Dagster imports it where it is chosen."""

from collections.abc import Mapping
from typing import Any

from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import URL

from pipeline_assets.dagster_internals import ConfigurableClassData
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.instance import INSTANCE_DSN, instance_dsn
from pipeline_assets.settings import Settings


class PostgresStorage(DagsterPostgresStorage):
    """Runs, events and cursors in the Postgres of ``PIPELINE_INSTANCE_DSN``.

    It reads the setting itself and has no config. Dagster passes config to runs and code servers on
    their command lines, where everybody on the machine can read it.
    """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No config."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - it is empty
    ) -> "PostgresStorage":
        """Connect, and create Dagster's tables in a new database.

        Raises:
            PipelineError: The setting is missing in this process.
        """
        dsn = instance_dsn(Settings.from_environment())
        if dsn is None:
            raise PipelineError(f"This instance was opened with {INSTANCE_DSN}; set it here, too")
        return cls(sqlalchemy_url(dsn), inst_data=inst_data)


def sqlalchemy_url(dsn: SecretDsn) -> str:
    """The connection as a SQLAlchemy URL. It holds the password: never put it in a message."""
    options = dict(dsn.options)

    url = URL.create(
        "postgresql+psycopg2",
        username=options.pop("user", None),
        password=options.pop("password", None),
        database=options.pop("dbname", None),
        query=options,
    )
    return url.render_as_string(hide_password=False)
