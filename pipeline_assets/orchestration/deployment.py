"""From settings to working parts: storage, catalog, engines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline_assets.dataset.database import WAREHOUSE, Database
from pipeline_assets.dataset.destinations import CsvObject, PostgresTable
from pipeline_assets.dataset.dsn import SecretDsn
from pipeline_assets.dataset.objects import ObjectStore
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.engines.engine import Engine
from pipeline_assets.engines.router import Engines
from pipeline_assets.exports.csv import CsvExporter
from pipeline_assets.exports.exporter import Exporter
from pipeline_assets.exports.postgres import PostgresExporter
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
    """The parts that the settings describe; nothing connects before it is used."""

    settings: Settings

    @property
    def s3(self) -> S3Access:
        """How to reach S3."""
        return self.settings.s3

    def store(self, uri: str) -> ObjectStore:
        """The storage that a URI lies in."""
        return S3Store(self.s3) if uri.startswith(S3_SCHEME) else LocalStore()

    @cached_property
    def lake(self) -> Lake:
        """The published tables, with one connection to their catalog."""
        return Lake(CatalogAccess(self._catalog_uri, self.settings.lake_uri, self.s3))

    @property
    def landing(self) -> LandingZone:
        """What vendors deliver to."""
        return LandingZone(self.settings.landing_uri, self.store(self.settings.landing_uri))

    @property
    def embedded(self) -> EmbeddedEngine:
        """The engine in this process."""
        return EmbeddedEngine(
            memory_limit_mib=self.settings.memory_limit_mib,
            threads=self.settings.threads,
            spill_dir=self.settings.spill_dir,
            s3=self.s3,
            kinds=KINDS,
        )

    @property
    def engines(self) -> Engines:
        """All engines that are routed to."""
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
    def exporters(self) -> Mapping[str, Exporter[Any]]:
        """What writes to destinations outside the lake, by their kind."""
        lake_uri = self.settings.lake_uri
        return {
            CsvObject.kind: CsvExporter(self.embedded, self.store(lake_uri), lake_uri),
            PostgresTable.kind: PostgresExporter(self.embedded, self.databases),
        }

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Where alerts go."""
        settings = self.settings
        smtp, slack, arn = (
            settings.alert_smtp_url,
            settings.alert_slack_webhook,
            settings.alert_sns_topic_arn,
        )
        mail = smtp and Email(
            smtp.get_secret_value(), settings.alert_email_from or "", settings.alert_recipients
        )
        found = (mail, slack and SlackWebhook(slack.get_secret_value()), arn and SnsTopic(arn))
        return tuple(channel for channel in found if channel)

    @property
    def executor(self) -> dg.ExecutorDefinition:
        """Runs the steps of a run in processes forked from one that has imported everything."""
        if not self.settings.isolated_steps:
            return dg.in_process_executor
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
