"""From settings to working parts: storage, catalog, engines."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from pipeline_assets.dataset.values.database import Database
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.progress import Progress
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.engines.embedded.engine import EmbeddedEngine
from pipeline_assets.engines.router import Engines
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.landing.zone import LandingZone
from pipeline_assets.orchestration.alerts.channels import Channel, Email, SlackWebhook, SnsTopic
from pipeline_assets.orchestration.resources.parts import Parts
from pipeline_assets.settings import Settings
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
        return self.parts.s3.store(uri)

    @cached_property
    def lake(self) -> Lake:
        """The published tables, with one connection to their catalog."""
        return Lake(CatalogAccess(self._catalog_uri, self.settings.lake_uri, self.s3))

    @property
    def landing(self) -> LandingZone:
        """What vendors deliver to."""
        return LandingZone(self.settings.landing_uri, self.store(self.settings.landing_uri))

    @cached_property
    def parts(self) -> Parts:
        """What computes and what is connected to, as resources of Dagster."""
        return Parts.of(self.settings)

    @property
    def embedded(self) -> EmbeddedEngine:
        """The engine in this process."""
        return self.parts.embedded_engine.engine()

    @property
    def engines(self) -> Engines:
        """All engines that are routed to.

        Raises:
            PipelineError: One of them lacks something.
        """
        return self.parts.engines.engines()

    @property
    def databases(self) -> Mapping[str, Database]:
        """The databases outside the lake, by the name that assets give them."""
        return self.parts.databases

    def resources(
        self,
        tables: Mapping[str, LakeTable],
        sources: Mapping[str, LandingSource],
        progress: Progress,
    ) -> dict[str, Any]:
        """The resources of the code location.

        Args:
            tables: Lake table by asset key (``domain/name``).
            sources: Landing source by asset key.
            progress: Told of every publish.
        """
        return self.parts.resources(self.settings, self._catalog_uri, tables, sources, progress)

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

    @property
    def _catalog_uri(self) -> str:
        settings = self.settings
        if settings.catalog_uri:
            return settings.catalog_uri
        if settings.lake_uri.startswith(S3_SCHEME):
            return sqlite_uri(settings.dagster_home.resolve() / "catalog.db")
        return sqlite_uri(Path(settings.lake_uri) / "catalog.db")
