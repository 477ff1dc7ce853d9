"""All settings of the project.

They are environment variables, which only this module reads, from the environment and from the file
``.env``. A wrong or unknown one is an error that names it, because a misspelt setting would
otherwise be ignored and the default would count. `docs/settings.md` is generated from here.
"""

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from pipeline_assets.api_token import ApiToken
from pipeline_assets.dataset.values.dsn import parse_dsn
from pipeline_assets.dataset.values.expansion import LANDING_EXPANSION
from pipeline_assets.dataset.values.windows import FIRST_DAY, Granularity
from pipeline_assets.errors import PipelineError
from pipeline_assets.setting_faults import one_line, refuse_unknown_names
from pipeline_assets.storage.s3_access import S3Access
from spark_resources.runners.emr_config import InstanceRate, ServerlessRates

PREFIX = "PIPELINE_"
EngineName: TypeAlias = Literal["embedded", "spark", "emr", "emr-serverless"]
ENV_FILE = ".env"
MEBIBYTE = 1024 * 1024
ALERT_SCHEMES: Final = {
    "alert_smtp_url": ("smtp", "smtps"),
    "alert_slack_webhook": ("https", "http"),
}


class Settings(BaseSettings):
    """The project's settings; field ``lake_uri`` is the variable ``PIPELINE_LAKE_URI``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    lake_uri: str = Field("./lake", description="Folder or s3:// prefix of the lake's tables.")
    landing_uri: str = Field("./landing", description="Folder or s3:// prefix vendors deliver to.")
    catalog_uri: str | None = Field(
        None,
        repr=False,  # may hold a password
        description="Iceberg catalog: `glue`, a SQLAlchemy URL, or `rest+https://…`; by default a "
        "SQLite file in a local lake. A lake on S3 has no default.",
    )
    dagster_home: Path = Field(
        Path(".dagster"),
        validation_alias=AliasChoices("dagster_home", "PIPELINE_DAGSTER_HOME", "DAGSTER_HOME"),
        description="Where Dagster keeps runs and events; DAGSTER_HOME sets it too.",
    )
    instance_dsn: SecretStr | None = Field(
        None,
        description="Postgres in which Dagster keeps runs and events; by default they are SQLite "
        "files in the Dagster home.",
    )
    compute_logs_uri: str | None = Field(
        None,
        description="s3:// prefix for what steps print; by default it stays in the Dagster home.",
    )
    domains: tuple[str, ...] = Field((), description="Packages with further domains, as JSON.")
    config_file: Path | None = Field(
        None, description="Config of assets and partitions; by default a `pipeline.yaml` here."
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
    deployment_name: str = Field(
        "dev",
        pattern=r"^[a-zA-Z0-9_-]{1,40}$",
        description="Names this deployment in tags of remote jobs.",
    )
    java_home: str | None = Field(
        None,
        validation_alias=AliasChoices("java_home", "PIPELINE_JAVA_HOME", "JAVA_HOME"),
        description="Java 17 or 21 for local Spark; JAVA_HOME sets it too.",
    )
    spark_memory_mib: int = Field(2048, ge=512, description="Local Spark's heap, in MiB.")
    spark_conf: Mapping[str, str] = Field(
        default_factory=dict, description="Spark properties of every job, as JSON."
    )
    emr_cluster: str | None = Field(None, description="Id or name of a running EMR cluster.")
    emr_cluster_template: Path | None = Field(
        None, description="JSON of a RunJobFlow request; a cluster is started for each job."
    )
    emr_serverless_application_id: str | None = Field(None, description="EMR Serverless.")
    emr_execution_role_arn: str | None = Field(None, description="Role of EMR Serverless jobs.")
    emr_log_uri: str | None = Field(None, description="Where EMR Serverless puts driver logs.")
    emr_staging_uri: str | None = Field(
        None, description="Where jobs and manifests travel; below the lake by default."
    )
    emr_endpoint_url: str | None = Field(
        None, description="Endpoint of an EMR that is not Amazon's, for instance a test server."
    )
    emr_rates: Mapping[str, InstanceRate] = Field(
        default_factory=dict,
        description="What instance types of the cluster are and cost, EMR's share included, as "
        'JSON: `{"m7g.xlarge": {"vcpus": 4, "memory_gb": 16, "usd_per_hour": 0.2}}`. Without it '
        "the cost of a step is not estimated.",
    )
    emr_serverless_rates: ServerlessRates | None = Field(
        None,
        description="What EMR Serverless costs in the application's region on its architecture, as "
        'JSON: `{"usd_per_vcpu_hour": 0.04, "usd_per_memory_gb_hour": 0.005}`. Without it the cost '
        "of a job run is not estimated.",
    )
    job_poll_seconds: float = Field(
        2, gt=0, description="First pause between two polls of a remote job; later ones are longer."
    )
    job_deadline_hours: float = Field(6, gt=0, description="A longer remote job is cancelled.")
    oltp_dsn: SecretStr | None = Field(
        None,
        description="Postgres of the rental shop: a postgresql:// URL or key=value words. Without "
        "it, assets that read it are not expected to have partitions.",
    )
    warehouse_dsn: SecretStr | None = Field(
        None, description="Postgres that tables are loaded into; without it nothing is loaded."
    )
    rentals_granularity: Granularity = Field(
        "daily", description="Partition the rentals tables by day, or `hourly`, in UTC."
    )
    rentals_start: date = Field(
        FIRST_DAY,
        description="First day of the rentals tables; earlier payments are left out. Choose a "
        "recent one for hourly tables: Dagster counts all hours, and twenty years of them take it "
        "2 s a step.",
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
    landing_settle_seconds: float = Field(
        60, ge=0, description="A landing object is read once it has not changed for so long."
    )
    landing_objects_per_look: int = Field(
        20_000, ge=1000, description="How many landing objects a sensor lists per tick."
    )
    landing_expansion: int = Field(
        LANDING_EXPANSION,
        ge=1,
        description="A compressed delivery is refused if it unfolds to more than 8 MiB and to "
        "more than so many times its size.",
    )
    landing_queue_url: str | None = Field(
        None,
        description="SQS queue of S3's event notifications for the landing zone. With it, sensors "
        "read new objects at once, and list the zone only once an hour.",
    )
    sqs_endpoint_url: str | None = Field(
        None, description="Endpoint of an SQS that is not Amazon's, for instance a test server."
    )
    raw_part_mib: int = Field(16, ge=1, le=1024, description="Size of one raw text part, in MiB.")
    s3_endpoint_url: str | None = Field(
        None, description="Endpoint of an S3 that is not Amazon's, for instance a test server."
    )
    s3_region: str | None = Field(None, description="Region of the buckets, if not the default.")
    kms_key_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9:/_-]+$",
        description="KMS key (id, ARN, alias) that encrypts what is written to S3; by default "
        "the bucket decides.",
    )
    ui_url: str = Field("http://localhost:3000", description="Root of the UI, for links in alerts.")
    api_tokens: Mapping[str, ApiToken] = Field(
        default_factory=dict,
        repr=False,
        description="Who may ask `pipeline-assets serve`, as JSON of name to "
        '`{"sha256": …, "tables": ["music.*"], "concurrency": 4}`; without any, only this machine.',
    )
    alert_smtp_url: SecretStr | None = Field(
        None,
        description="Alert by e-mail over `smtp://[user:password@]host[:port]` or `smtps://…`.",
    )
    alert_email_from: str | None = Field(None, description="Address that e-mails come from.")
    alert_email_to: str | None = Field(
        None, description="Addresses that they go to, with commas between them."
    )
    alert_slack_webhook: SecretStr | None = Field(
        None, description="Alert through this webhook of Slack."
    )
    alert_sns_topic_arn: str | None = Field(None, description="Alert through this topic of SNS.")

    @field_validator("lake_uri", "landing_uri")
    @classmethod
    def _absolute(cls, uri: str) -> str:
        if uri.startswith("s3://"):
            if not uri.removeprefix("s3://").partition("/")[0]:
                raise ValueError(f"'{uri}' names no bucket")
            return uri.rstrip("/")
        if "://" in uri:
            raise ValueError(f"'{uri}' is neither a folder nor an s3:// prefix")
        return str(Path(uri).expanduser().resolve())

    @field_validator("compute_logs_uri")
    @classmethod
    def _in_a_bucket(cls, uri: str | None) -> str | None:
        if uri is not None and not re.match("s3://[^/]", uri):
            raise ValueError(f"'{uri}' is no s3:// prefix")
        return uri

    @field_validator("instance_dsn", "oltp_dsn", "warehouse_dsn")
    @classmethod
    def _readable(cls, dsn: SecretStr | None) -> SecretStr | None:
        if dsn is None:
            return None
        try:
            parse_dsn(dsn.get_secret_value())
        except PipelineError as error:
            raise ValueError(str(error)) from None
        return dsn

    @field_validator("alert_smtp_url", "alert_slack_webhook")
    @classmethod
    def _reachable(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        schemes = ALERT_SCHEMES[str(info.field_name)]
        parts = urlsplit(url.get_secret_value()) if url else None
        if parts and (parts.scheme not in schemes or not parts.hostname):
            raise ValueError(f"is no URL that starts with {' or '.join(schemes)} and names a host")
        return url

    @model_validator(mode="after")
    def _addressed(self) -> "Settings":
        given = (self.alert_smtp_url, self.alert_email_from, self.alert_email_to)
        if any(given) and not all(given):
            raise ValueError("ALERT_SMTP_URL, ALERT_EMAIL_FROM and ALERT_EMAIL_TO go together")
        return self

    @property
    def s3(self) -> S3Access:
        """How to reach S3."""
        return S3Access(self.s3_endpoint_url, self.s3_region, self.kms_key_id)

    @property
    def raw_part_bytes(self) -> int:
        """Size of one raw text part, in bytes."""
        return self.raw_part_mib * MEBIBYTE

    @property
    def retry_waits(self) -> tuple[float, ...]:
        """The pause before each retry of a failed run, in seconds."""
        return tuple(60 * minutes for minutes in self.retry_minutes)

    @property
    def alert_recipients(self) -> tuple[str, ...]:
        """The e-mail addresses that alerts go to."""
        addresses = map(str.strip, (self.alert_email_to or "").split(","))
        return tuple(filter(None, addresses))

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
