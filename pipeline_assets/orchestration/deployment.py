"""The deployment: storage, catalog, engines and channels, built from the settings.

Nothing connects when a deployment is created. So the definitions import without credentials, JVM or
network, and each part is imported and connects when somebody uses it.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.dataset.values.progress import Progress
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.settings import PREFIX, Settings
from pipeline_assets.storage.environments import lake_of
from pipeline_assets.storage.objects import store_of
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access

if TYPE_CHECKING:
    import dagster as dg

    from pipeline_assets.dataset.values.database import Database, OutsideSystem
    from pipeline_assets.dataset.values.landing_source import LandingSource
    from pipeline_assets.engines.embedded.engine import EmbeddedEngine
    from pipeline_assets.engines.router import Engines
    from pipeline_assets.exports.exporter import Exporter
    from pipeline_assets.iceberg.tables import Lake
    from pipeline_assets.landing.zone import LandingZone
    from pipeline_assets.orchestration.alerts.channels import Channel
    from pipeline_assets.orchestration.forked_steps import ForkedSteps
    from pipeline_assets.orchestration.resources.parts import Parts
    from pipeline_assets.publish.verification import Verifier
    from pipeline_assets.streams.event_stream import EventStream


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
        return store_of(uri, self.s3)

    @cached_property
    def lake(self) -> "Lake":
        """The lake of published tables, with one connection to their catalog."""
        from pipeline_assets.iceberg.tables import Lake

        return Lake(CatalogAccess(self._catalog_uri, self.settings.lake_uri, self.s3))

    @property
    def landing(self) -> "LandingZone":
        """The landing zone that vendors deliver to."""
        from pipeline_assets.landing.zone import LandingZone

        return LandingZone(self.settings.landing_uri, self.store(self.settings.landing_uri))

    @cached_property
    def parts(self) -> "Parts":
        """The resources of Dagster that compute and connect."""
        from pipeline_assets.orchestration.resources.parts import Parts

        return Parts.of(self.settings)

    @property
    def embedded(self) -> "EmbeddedEngine":
        """The engine that runs in this process."""
        return self.parts.embedded_engine.engine()

    @property
    def reader(self) -> "EmbeddedEngine":
        """The engine of queries, which loads neither Dagster nor what jobs learn with."""
        from pipeline_assets.engines.embedded.engine import EmbeddedEngine

        settings = self.settings
        limits = (settings.memory_limit_mib, settings.threads, settings.spill_dir)
        return EmbeddedEngine(*limits, self.s3)

    @property
    def engines(self) -> "Engines":
        """The default engine, and the engines of assets that the settings route elsewhere.

        Raises:
            PipelineError: The settings of an engine are incomplete.
        """
        return self.parts.engines.engines()

    @property
    def databases(self) -> "Mapping[str, Database]":
        """The databases outside the lake, by the name that assets give them."""
        from pipeline_assets.orchestration.outside import databases_of

        return databases_of(self.settings)

    @property
    def systems(self) -> "Mapping[str, OutsideSystem]":
        """Everything outside the lake that assets read or load into, by the name they give it."""
        from pipeline_assets.orchestration.outside import systems_of

        return systems_of(self.settings)

    @property
    def stream_access(self) -> S3Access:
        """How to reach Kinesis: as S3, at an endpoint of its own."""
        from pipeline_assets.orchestration.outside import stream_access

        return stream_access(self.settings)

    @cached_property
    def stream(self) -> "EventStream | None":
        """The stream of events, if the settings name one."""
        if not self.settings.stream_name:
            return None
        from pipeline_assets.orchestration.outside import stream_of

        return stream_of(self.settings)

    def verifier(self, *, deep: bool) -> "Verifier":
        """What tells whether everything published is there, by lengths or by reading all of it."""
        from pipeline_assets.publish.verification import Verifier

        return Verifier(self.lake, self._exporters, deep=deep)

    def _exporters(self) -> "Mapping[str, Exporter[Any]]":
        from pipeline_assets.exports.registry import exporters
        from pipeline_assets.keys.store import KeyStore

        uri, keys = self.settings.lake_uri, KeyStore.of(self.settings)
        return exporters(self.reader, self.store(uri), uri, self.databases, keys)

    def resources(
        self,
        tables: Mapping[str, LakeTable],
        sources: "Mapping[str, LandingSource]",
        progress: Progress,
    ) -> dict[str, Any]:
        """The resources of the code location.

        Args:
            tables: Lake table by asset key (``domain/name``).
            sources: Landing source by asset key.
            progress: Receives every publish.
        """
        return self.parts.resources(self.settings, self._catalog_uri, tables, sources, progress)

    @property
    def channels(self) -> "tuple[Channel, ...]":
        """The channels that alerts go through."""
        settings = self.settings
        named = (
            settings.alert_smtp_url,
            settings.alert_slack_webhook,
            settings.alert_sns_topic_arn,
        )
        if not any(named):
            return ()
        from pipeline_assets.orchestration.alerts.channels import Email, SlackWebhook, SnsTopic

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
    def executor(self) -> "dg.ExecutorDefinition":
        """The executor of runs: one process per step, unless the settings say otherwise."""
        import dagster as dg

        if not self.settings.isolated_steps:
            return dg.in_process_executor
        if sys.platform == "linux":
            return dg.ExecutorDefinition(
                name=dg.multiprocess_executor.name,
                requirements=dg.multiprocess_executor.get_requirements({}),
                executor_creation_fn=_forked_steps,
                description="Execute each step in a process forked from that of the run.",
            )
        # Steps are forked from a process that has built the definitions, which takes seconds.
        preloaded = {"preload_modules": ["pipeline_assets.fork_server"]}
        config = {"start_method": {"forkserver": preloaded}}
        return dg.multiprocess_executor.configured(config, name="multiprocess")

    @property
    def _catalog_uri(self) -> str:
        settings = self.settings
        if not settings.catalog_uri and settings.lake_uri.startswith(S3_SCHEME):
            raise PipelineError(
                f"{PREFIX}CATALOG_URI is not set: a lake on S3 needs `glue`, or the SQLAlchemy URL "
                "of a database that every process of the deployment uses"
            )
        return settings.catalog_uri or sqlite_uri(Path(lake_of(settings.lake_uri)) / "catalog.db")


def _forked_steps(_context: "dg.InitExecutorContext") -> "ForkedSteps":
    from pipeline_assets.orchestration.forked_steps import ForkedSteps

    return ForkedSteps()
