"""From settings to Spark engines: this machine, EMR steps, EMR Serverless."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pipeline_assets.engines.engine import Engine
from pipeline_assets.engines.spark import SparkEngine
from pipeline_assets.errors import PipelineError
from pipeline_assets.settings import PREFIX, Settings
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access
from spark_resources.runners.aws import emr_client, emr_serverless_client
from spark_resources.runners.emr import EmrSteps
from spark_resources.runners.emr_config import (
    ClusterById,
    ClusterByName,
    EmrStepConfig,
    TransientCluster,
)
from spark_resources.runners.emr_serverless import EmrServerless, EmrServerlessConfig
from spark_resources.runners.local import LocalConfig, LocalRunner
from spark_resources.runners.polling import PollPolicy
from spark_resources.runners.runner import RemoteRunner
from spark_resources.runners.service import Service
from spark_resources.runners.staging import Staging

S3_FILES: Final = "spark.hadoop.fs.s3.impl"
"""The Spark property that says how ``s3://`` is read; EMR's own Spark knows by itself."""


def local_spark(settings: Settings) -> SparkEngine:
    """Spark on this machine; the session starts with the first job.

    Raises:
        PipelineError: The lake is on S3, which this Spark was not taught to read.
    """
    if settings.lake_uri.startswith(S3_SCHEME) and S3_FILES not in settings.spark_conf:
        raise PipelineError(
            f"Spark on this machine cannot read {settings.lake_uri} by itself: give it Hadoop's "
            f"S3A in {PREFIX}SPARK_CONF (spark.jars.packages and {S3_FILES}), or use emr, "
            "emr-serverless or embedded"
        )
    config = LocalConfig(
        work_folder=settings.dagster_home.resolve() / "spark",
        java_home=settings.java_home,
        threads=settings.threads,
        memory_mib=settings.spark_memory_mib,
        spark_conf=settings.spark_conf,
    )
    return SparkEngine("spark", LocalRunner(config))


def emr(settings: Settings, access: S3Access) -> SparkEngine:
    """Steps on a cluster of EMR, a running one or one that is started for each job.

    Raises:
        PipelineError: The settings name neither a cluster nor a template.
    """
    config = EmrStepConfig(
        cluster=_cluster(settings),
        deployment=settings.deployment_name,
        spark_conf={**encryption(settings.kms_key_id), **settings.spark_conf},
        rates=settings.emr_rates,
    )
    client = emr_client(access.region_name, settings.emr_endpoint_url)
    return SparkEngine("emr", _remote(EmrSteps(client, config), settings, access))


def emr_serverless(settings: Settings, access: S3Access) -> SparkEngine:
    """Jobs of an EMR Serverless application.

    Raises:
        PipelineError: The settings lack the application or its role.
    """
    config = EmrServerlessConfig(
        application_id=_required(settings, "emr_serverless_application_id"),
        execution_role_arn=_required(settings, "emr_execution_role_arn"),
        deployment=settings.deployment_name,
        log_uri=settings.emr_log_uri,
        spark_conf={**encryption(settings.kms_key_id), **settings.spark_conf},
    )
    client = emr_serverless_client(access.region_name, settings.emr_endpoint_url)
    return SparkEngine("emr-serverless", _remote(EmrServerless(client, config), settings, access))


def remote_runners(engines: Iterable[Engine]) -> list[RemoteRunner]:
    """The runners of those engines whose jobs outlive a process, each service once."""
    runners = [engine.runner for engine in engines if isinstance(engine, SparkEngine)]
    remote = [runner for runner in runners if isinstance(runner, RemoteRunner)]
    return list({runner.service.name: runner for runner in remote}.values())


def encryption(kms_key_id: str | None) -> dict[str, str]:
    """Spark properties that encrypt what is written, by EMR's own S3 client and by Hadoop's.

    https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-emrfs-encryption-ssekms.html
    https://hadoop.apache.org/docs/stable/hadoop-aws/tools/hadoop-aws/encryption.html
    """
    if kms_key_id is None:
        return {}
    return {
        "spark.hadoop.fs.s3.enableServerSideEncryption": "true",
        "spark.hadoop.fs.s3.serverSideEncryption.kms.keyId": kms_key_id,
        "spark.hadoop.fs.s3a.encryption.algorithm": "SSE-KMS",
        "spark.hadoop.fs.s3a.encryption.key": kms_key_id,
    }


def _remote(service: Service, settings: Settings, access: S3Access) -> RemoteRunner:
    uri = settings.emr_staging_uri or f"{settings.lake_uri}/_jobs"
    if not uri.startswith(S3_SCHEME):
        raise PipelineError(f"EMR needs a lake on S3: set {PREFIX}LAKE_URI=s3://bucket/prefix")
    return RemoteRunner(
        service=service,
        staging=Staging(access.client(), uri, kms_key_id=settings.kms_key_id),
        deployment=settings.deployment_name,
        poll=PollPolicy(
            first_seconds=settings.job_poll_seconds,
            deadline_seconds=settings.job_deadline_hours * 3600,
        ),
    )


def _cluster(settings: Settings) -> ClusterById | ClusterByName | TransientCluster:
    if settings.emr_cluster_template:
        return TransientCluster(_template(settings.emr_cluster_template))
    name = _required(settings, "emr_cluster")
    return ClusterById(name) if name.startswith("j-") else ClusterByName(name)


def _template(path: Path) -> dict[str, Any]:
    try:
        template: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        name = f"{PREFIX}EMR_CLUSTER_TEMPLATE"
        raise PipelineError(f"{name}: {path} is no readable JSON file: {error}") from error
    return template


def _required(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if not value:
        raise PipelineError(f"Setting {PREFIX}{name.upper()} is needed for this engine")
    return str(value)
