"""The deployment: storage, catalog, engines and channels, built from the settings.

Nothing connects when a deployment is created. So the definitions import without credentials, JVM or
network, and each part connects when somebody uses it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from pipeline_assets.dataset.database import WAREHOUSE, Database
from pipeline_assets.dataset.dsn import SecretDsn
from pipeline_assets.dataset.objects import ObjectStore
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.engines.engine import Engine
from pipeline_assets.engines.router import Engines
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.landing.zone import LandingZone
from pipeline_assets.learning.kinds import KINDS
from pipeline_assets.orchestration.alerts.channels import Channel, Email, SlackWebhook, SnsTopic
from pipeline_assets.orchestration.spark_engines import emr, emr_serverless, local_spark
from pipeline_assets.settings import PREFIX, EngineName, Settings
from pipeline_assets.storage.objects import LocalStore, S3Store
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access


@dataclass(frozen=True)
class Deployment:
    """The parts that the settings describe."""

    settings: Settings

    @property
    def s3(self) -> S3Access:
        """How to reach S3."""
        return self.settings.s3

    def store(self, uri: str) -> ObjectStore:
        """The object store that a URI lies in."""
        return S3Store(self.s3) if uri.startswith(S3_SCHEME) else LocalStore()

    @property
    def lake(self) -> Lake:
        """The lake of published tables."""
        return Lake(CatalogAccess(self._catalog_uri, self.settings.lake_uri, self.s3))

    @property
    def landing(self) -> LandingZone:
        """The landing zone that vendors deliver to."""
        return LandingZone(self.settings.landing_uri, self.store(self.settings.landing_uri))

    @property
    def embedded(self) -> EmbeddedEngine:
        """The engine that runs in this process."""
        return EmbeddedEngine(
            memory_limit_mib=self.settings.memory_limit_mib,
            threads=self.settings.threads,
            spill_dir=self.settings.spill_dir,
            s3=self.s3,
            kinds=KINDS,
        )

    @property
    def engines(self) -> Engines:
        """The default engine, and the engines of assets that the settings route elsewhere."""
        overrides = {
            pattern: self._engine(name) for pattern, name in self.settings.engine_overrides.items()
        }
        return Engines(self.embedded, self._engine(self.settings.engine), overrides)

    @property
    def databases(self) -> Mapping[str, Database]:
        """The databases outside the lake, by the name that assets give them."""
        settings = self.settings
        dsns = {"oltp": settings.oltp_dsn, WAREHOUSE: settings.warehouse_dsn}
        return {
            name: Database(
                f"{PREFIX}{name.upper()}_DSN", SecretDsn(dsn.get_secret_value()) if dsn else None
            )
            for name, dsn in dsns.items()
        }

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that alerts go through."""
        settings = self.settings
        channels: list[Channel] = []
        if smtp := settings.alert_smtp_url:
            sender, recipients = settings.alert_email_from or "", settings.alert_recipients
            channels.append(Email(smtp.get_secret_value(), sender, recipients))
        if webhook := settings.alert_slack_webhook:
            channels.append(SlackWebhook(webhook.get_secret_value()))
        if settings.alert_sns_topic_arn:
            channels.append(SnsTopic(settings.alert_sns_topic_arn))
        return tuple(channels)

    @property
    def executor(self) -> dg.ExecutorDefinition:
        """The executor of runs: one process per step, unless the settings say otherwise."""
        if not self.settings.isolated_steps:
            return dg.in_process_executor
        # Steps are forked from a process that has imported the definitions, which takes seconds.
        preloaded = {"preload_modules": ["pipeline_assets.definitions"]}
        config = {"start_method": {"forkserver": preloaded}}
        return dg.multiprocess_executor.configured(config, name="multiprocess")

    def _engine(self, name: EngineName) -> Engine:
        makers: dict[EngineName, Callable[[], Engine]] = {
            "embedded": lambda: self.embedded,
            "spark": lambda: local_spark(self.settings),
            "emr": lambda: emr(self.settings, self.s3),
            "emr-serverless": lambda: emr_serverless(self.settings, self.s3),
        }
        return makers[name]()

    @property
    def _catalog_uri(self) -> str:
        settings = self.settings
        if settings.catalog_uri:
            return settings.catalog_uri
        if settings.lake_uri.startswith(S3_SCHEME):
            return sqlite_uri(settings.dagster_home.resolve() / "catalog.db")
        return sqlite_uri(Path(settings.lake_uri) / "catalog.db")
