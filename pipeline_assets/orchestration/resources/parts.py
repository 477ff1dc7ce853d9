"""The one place where settings become resources."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pipeline_assets.dataset.values.database import (
    OLTP,
    WAREHOUSE,
    Database,
)
from pipeline_assets.dataset.values.dsn import address
from pipeline_assets.dataset.values.landing_source import LandingSource
from pipeline_assets.dataset.values.progress import Progress
from pipeline_assets.dataset.values.table import LakeTable
from pipeline_assets.iceberg.catalog import GLUE
from pipeline_assets.keys.store import KeyStore
from pipeline_assets.orchestration.outside import databases_of, wikimedia_of
from pipeline_assets.orchestration.resources.athena import SqlOnAthena
from pipeline_assets.orchestration.resources.basics import (
    NO_STREAM,
    S3,
    ConfigurableEmbeddedEngine,
    Hidden,
    KeysInDynamoDb,
    KinesisStream,
    PostgresDatabase,
    WikimediaApi,
)
from pipeline_assets.orchestration.resources.lake import (
    ConfigurableLakeIOManager,
    ConfigurableLandingIOManager,
    ConfigurablePublishedChecks,
    ConfigurableStager,
    EnginesByAsset,
)
from pipeline_assets.orchestration.resources.spark import (
    SparkLocal,
    SparkOnEmr,
    SparkOnEmrServerless,
)
from pipeline_assets.settings import Settings
from pipeline_assets.wikimedia.access import Wikimedia


@dataclass(frozen=True)
class Parts:
    """The resources of a deployment, under the names that Dagster shows."""

    s3: S3
    embedded_engine: ConfigurableEmbeddedEngine
    spark_local: SparkLocal
    spark_emr: SparkOnEmr
    spark_emr_serverless: SparkOnEmrServerless
    athena: SqlOnAthena
    engines: EnginesByAsset
    oltp_database: PostgresDatabase
    warehouse_database: PostgresDatabase
    event_stream: KinesisStream
    wikimedia: WikimediaApi
    key_table: KeysInDynamoDb

    @classmethod
    def of(cls, settings: Settings) -> "Parts":
        """Build the resources; nothing connects before it is used."""
        s3 = S3(
            endpoint_url=settings.s3_endpoint_url,
            region=settings.s3_region,
            kms_key_id=settings.kms_key_id,
        )
        embedded = ConfigurableEmbeddedEngine(
            memory_limit_mib=settings.memory_limit_mib,
            threads=settings.threads,
            spill_dir=_text(settings.spill_dir),
            comprehend_budget_usd=settings.comprehend_budget_usd,
            s3=s3,
        )
        local, emr, serverless = _local(settings), _emr(settings, s3), _serverless(settings, s3)
        athena = _athena(settings, s3)
        routing = EnginesByAsset(
            default=settings.engine,
            overrides=dict(settings.engine_overrides),
            embedded_engine=embedded,
            spark_local=local,
            spark_emr=emr,
            spark_emr_serverless=serverless,
            athena=athena,
        )
        outside = databases_of(settings)
        oltp, warehouse = _database(outside[OLTP]), _database(outside[WAREHOUSE])
        stream = _stream(settings, s3)
        wikimedia = _wikimedia(wikimedia_of(settings))
        engines = (local, emr, serverless, athena)
        databases = (oltp, warehouse)
        keys = _keys(settings)
        return cls(s3, embedded, *engines, routing, *databases, stream, wikimedia, keys)

    def resources(
        self,
        settings: Settings,
        catalog_uri: str,
        tables: Mapping[str, LakeTable],
        sources: Mapping[str, LandingSource],
        progress: Progress,
    ) -> dict[str, Any]:
        """All resources that assets, checks and schedules require, by name.

        Args:
            settings: The settings from which the parts were built.
            catalog_uri: URI of the Iceberg catalog.
            tables: Lake table by asset key (``domain/name``).
            sources: Landing source by asset key.
            progress: Receives every publish.
        """
        lake = ConfigurableLakeIOManager(
            lake_uri=settings.lake_uri,
            s3=self.s3,
            catalog_uri=Hidden(catalog_uri),
            tables=tables,
            progress=progress,
            deployment_name=settings.deployment_name,
            openlineage=settings.openlineage,
        )
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "lake_io_manager": lake,
            "landing_io_manager": ConfigurableLandingIOManager(
                landing_uri=settings.landing_uri, s3=self.s3, sources=sources
            ),
            "stager": ConfigurableStager(
                part_bytes=settings.raw_part_bytes,
                landing_expansion=settings.landing_expansion,
                lake_io_manager=lake,
                engines=self.engines,
                oltp_database=self.oltp_database,
                warehouse_database=self.warehouse_database,
                event_stream=self.event_stream,
                wikimedia=self.wikimedia,
                key_table=self.key_table,
            ),
            "published_checks": ConfigurablePublishedChecks(
                lake_io_manager=lake, engines=self.engines
            ),
        }


def _local(settings: Settings) -> SparkLocal:
    return SparkLocal(
        lake_uri=settings.lake_uri,
        work_folder=str(settings.dagster_home.resolve() / "spark"),
        java_home=settings.java_home,
        threads=settings.threads,
        memory_mib=settings.spark_memory_mib,
        spark_conf=Hidden(settings.spark_conf),
    )


def _emr(settings: Settings, s3: S3) -> SparkOnEmr:
    return SparkOnEmr(
        cluster=settings.emr_cluster,
        cluster_template=_text(settings.emr_cluster_template),
        rates={name: asdict(rate) for name, rate in settings.emr_rates.items()},
        **_remote_spark(settings, s3),
    )


def _serverless(settings: Settings, s3: S3) -> SparkOnEmrServerless:
    return SparkOnEmrServerless(
        application_id=settings.emr_serverless_application_id,
        execution_role_arn=settings.emr_execution_role_arn,
        log_uri=settings.emr_log_uri,
        rates=asdict(rates) if (rates := settings.emr_serverless_rates) else {},
        **_remote_spark(settings, s3),
    )


def _athena(settings: Settings, s3: S3) -> SqlOnAthena:
    return SqlOnAthena(
        workgroup=settings.athena_workgroup,
        database=settings.athena_database,
        usd_per_tb=settings.athena_usd_per_tb,
        is_in_glue=settings.catalog_uri == GLUE,
        staging_uri=settings.staging_uri(settings.athena_staging_uri),
        **_remote(settings, s3),
    )


def _remote(settings: Settings, s3: S3) -> dict[str, Any]:
    """The fields that every engine on a service of Amazon has."""
    return {
        "deployment": settings.deployment_name,
        "poll_seconds": settings.job_poll_seconds,
        "deadline_hours": settings.job_deadline_hours,
        "s3": s3,
    }


def _remote_spark(settings: Settings, s3: S3) -> dict[str, Any]:
    """The fields that Spark on EMR and on EMR Serverless share."""
    return {
        "staging_uri": settings.staging_uri(settings.emr_staging_uri),
        "endpoint_url": settings.emr_endpoint_url,
        "spark_conf": Hidden(settings.spark_conf),
        **_remote(settings, s3),
    }


def _database(database: Database) -> PostgresDatabase:
    return PostgresDatabase(
        setting=database.setting,
        place=address(database.dsn) if database.dsn else "not set",
        database=database,
    )


def _wikimedia(access: Wikimedia) -> WikimediaApi:
    return WikimediaApi(project=access.project, contact=access.contact, access=access)


def _stream(settings: Settings, s3: S3) -> KinesisStream:
    return KinesisStream(
        stream_name=settings.stream_name or NO_STREAM,
        endpoint_url=settings.stream_endpoint_url,
        batch_records=settings.stream_batch_records,
        landing_uri=settings.landing_uri,
        since=settings.events_start.isoformat(),
        s3=s3,
    )


def _keys(settings: Settings) -> KeysInDynamoDb:
    store = KeyStore.of(settings)
    endpoint = store.endpoint_url
    return KeysInDynamoDb(table=store.name or "not set", endpoint_url=endpoint, store=store)


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
