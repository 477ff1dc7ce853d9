"""The lake as resources of Dagster: IO managers, the routing of engines, stager and checks."""

import importlib.util
from collections.abc import Callable, Mapping

import dagster as dg
from pydantic import Field, PrivateAttr

from pipeline_assets.dataset.values.database import OLTP, WAREHOUSE
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.progress import Progress
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.engines.engine import Engine
from pipeline_assets.engines.router import Engines
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import CatalogAccess
from pipeline_assets.landing.zone import LandingZone
from pipeline_assets.orchestration.outside import named_systems
from pipeline_assets.orchestration.resources.athena import SqlOnAthena
from pipeline_assets.orchestration.resources.basics import (
    S3,
    ConfigurableEmbeddedEngine,
    Hidden,
    KeysInDynamoDb,
    KinesisStream,
    PostgresDatabase,
    WikimediaApi,
)
from pipeline_assets.orchestration.resources.part import Part
from pipeline_assets.orchestration.resources.spark import (
    SparkLocal,
    SparkOnEmr,
    SparkOnEmrServerless,
)
from pipeline_assets.publish.io_managers import LakeIOManager, LandingIOManager
from pipeline_assets.publish.publication import UNOBSERVED, Publications
from pipeline_assets.publish.published_checks import PublishedChecks
from pipeline_assets.publish.staging import Stager


class ConfigurableLakeIOManager(dg.ConfigurableIOManagerFactory[LakeIOManager]):
    """Loads tables of the lake lazily and publishes partitions, on S3 or in a folder."""

    lake_uri: str = Field(description="Folder or s3:// prefix of the lake's tables.")
    s3: dg.ResourceDependency[S3]
    catalog_uri: dg.ResourceDependency[Hidden[str]]
    tables: dg.ResourceDependency[Mapping[str, LakeTable]]
    progress: dg.ResourceDependency[Progress]
    deployment_name: str = Field("dev", description="Names this deployment in lineage events.")
    openlineage: bool = Field(False, description="Whether publishes are told to OpenLineage.")
    _publications: Publications = PrivateAttr(default=UNOBSERVED)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Prepare to tell of publishes; nothing connects yet.

        Raises:
            PipelineError: OpenLineage's client is not installed.
        """
        if not self.openlineage:
            return
        if importlib.util.find_spec("openlineage") is None:
            raise PipelineError(
                "PIPELINE_OPENLINEAGE needs a further package: pip install openlineage-python"
            )
        from pipeline_assets.openlineage.client import openlineage_emitter

        self._publications = openlineage_emitter(self.lake_uri, self.deployment_name)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Let what is on its way to a receiver arrive, for some seconds."""
        self._publications.close()

    def create_io_manager(self, context: dg.InitResourceContext) -> LakeIOManager:  # noqa: ARG002
        """The IO manager; nothing connects yet."""
        from pipeline_assets.iceberg.tables import Lake

        access = CatalogAccess(self.catalog_uri.value, self.lake_uri, self.s3.access())
        store = self.s3.store(self.lake_uri)
        lake = Lake(access)
        return LakeIOManager(
            lake, self.tables, self.progress, store, publications=self._publications
        )


class ConfigurableLandingIOManager(dg.ConfigurableIOManagerFactory[LandingIOManager]):
    """Loads objects of the landing zone, on S3 or in a folder."""

    landing_uri: str = Field(description="Folder or s3:// prefix that vendors deliver to.")
    s3: dg.ResourceDependency[S3]
    sources: dg.ResourceDependency[Mapping[str, LandingSource]]

    def create_io_manager(
        self,
        context: dg.InitResourceContext,  # noqa: ARG002
    ) -> LandingIOManager:
        """The IO manager; nothing connects yet."""
        zone = LandingZone(self.landing_uri, self.s3.store(self.landing_uri))
        return LandingIOManager(zone, self.sources)


class EnginesByAsset(Part):
    """The engine of each asset."""

    default: str = Field(description="embedded, spark, emr, emr-serverless or athena.")
    overrides: dict[str, str] = Field({}, description="Engine by glob over `domain/name`.")
    embedded_engine: dg.ResourceDependency[ConfigurableEmbeddedEngine]
    spark_local: dg.ResourceDependency[SparkLocal]
    spark_emr: dg.ResourceDependency[SparkOnEmr]
    spark_emr_serverless: dg.ResourceDependency[SparkOnEmrServerless]
    athena: dg.ResourceDependency[SqlOnAthena]

    def engines(self) -> Engines:
        """The engines that assets are routed to; the others need not be configured.

        Raises:
            PipelineError: The settings of a routed engine are incomplete.
        """
        overrides = {pattern: self._engine(name) for pattern, name in self.overrides.items()}
        return Engines(self.embedded_engine.engine(), self._engine(self.default), overrides)

    def _engine(self, name: str) -> Engine:
        builders: dict[str, Callable[[], Engine]] = {
            "embedded": self.embedded_engine.engine,
            "spark": self.spark_local.engine,
            "emr": self.spark_emr.engine,
            "emr-serverless": self.spark_emr_serverless.engine,
            "athena": self.athena.engine,
        }
        return builders[name]()


class ConfigurableStager(dg.ConfigurableResource[Stager]):
    """Computes partitions and audits them before anything is published."""

    part_bytes: int = Field(description="Size of one raw text part.")
    landing_expansion: int = Field(description="Bytes that one compressed byte may unfold to.")
    lake_io_manager: dg.ResourceDependency[LakeIOManager]
    engines: dg.ResourceDependency[EnginesByAsset]
    oltp_database: dg.ResourceDependency[PostgresDatabase]
    warehouse_database: dg.ResourceDependency[PostgresDatabase]
    event_stream: dg.ResourceDependency[KinesisStream]
    wikimedia: dg.ResourceDependency[WikimediaApi]
    key_table: dg.ResourceDependency[KeysInDynamoDb]

    def create_resource(self, context: dg.InitResourceContext) -> Stager:  # noqa: ARG002
        """The stager; nothing connects yet."""
        from pipeline_assets.exports.registry import exporters

        manager, engines = self.lake_io_manager, self.engines.engines()
        databases = {
            OLTP: self.oltp_database.database,
            WAREHOUSE: self.warehouse_database.database,
        }
        return Stager(
            lake=manager.lake,
            store=manager.store,
            engines=engines,
            part_bytes=self.part_bytes,
            landing_expansion=self.landing_expansion,
            progress=manager.progress,
            systems=named_systems(
                databases,
                self.event_stream.stream(),
                self.wikimedia.access,
                self.key_table.store,
            ),
            exporters=exporters(
                engines.embedded,
                manager.store,
                manager.lake.access.warehouse,
                databases,
                self.key_table.store,
            ),
        )


class ConfigurablePublishedChecks(dg.ConfigurableResource[PublishedChecks]):
    """Evaluates checks on what is published."""

    lake_io_manager: dg.ResourceDependency[LakeIOManager]
    engines: dg.ResourceDependency[EnginesByAsset]

    def create_resource(self, context: dg.InitResourceContext) -> PublishedChecks:  # noqa: ARG002
        """What evaluates them; nothing connects yet."""
        manager = self.lake_io_manager
        return PublishedChecks(manager.lake, manager.store, self.engines.engines())
