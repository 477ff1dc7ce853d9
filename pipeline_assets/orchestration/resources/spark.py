"""Spark as resources of Dagster: on this machine, as EMR steps, on EMR Serverless."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dagster as dg
from pydantic import Field

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.resources.basics import Hidden
from pipeline_assets.orchestration.resources.part import Part
from pipeline_assets.orchestration.resources.remote import RemoteEngine, required
from pipeline_assets.settings import PREFIX
from pipeline_assets.storage.s3_access import S3_SCHEME

if TYPE_CHECKING:
    from pipeline_assets.engines.spark import SparkEngine
    from spark_resources.runners.emr_config import ClusterById, ClusterByName, TransientCluster
    from spark_resources.runners.runner import RemoteRunner
    from spark_resources.runners.service import Service

S3_FILES: Final = "spark.hadoop.fs.s3.impl"
"""The Spark property that names the reader of ``s3://``; EMR's own Spark has it set."""


class SparkLocal(Part):
    """Spark on this machine; the session starts with the first job."""

    lake_uri: str = Field(description="Folder or s3:// prefix that it reads and writes.")
    work_folder: str = Field(description="Folder for jobs and logs.")
    java_home: str | None = Field(None, description="Java 17 or 21; found by itself if unset.")
    threads: int = Field(description="Number of threads.")
    memory_mib: int = Field(description="Size of the heap in MiB.")
    spark_conf: dg.ResourceDependency[Hidden[Mapping[str, str]]]

    def engine(self) -> "SparkEngine":
        """The engine.

        Raises:
            PipelineError: The lake is on S3, and the Spark properties name no reader for it.
        """
        from pipeline_assets.engines.spark import SparkEngine
        from spark_resources.runners.local import LocalConfig, LocalRunner

        conf = self.spark_conf.value
        if self.lake_uri.startswith(S3_SCHEME) and S3_FILES not in conf:
            raise PipelineError(
                f"Spark on this machine cannot read {self.lake_uri} by itself: give it Hadoop's "
                f"S3A in {PREFIX}SPARK_CONF (spark.jars.packages and {S3_FILES}), or use emr, "
                "emr-serverless or embedded"
            )
        config = LocalConfig(
            work_folder=Path(self.work_folder),
            java_home=self.java_home,
            threads=self.threads,
            memory_mib=self.memory_mib,
            spark_conf=conf,
        )
        return SparkEngine("spark", LocalRunner(config))


class RemoteSpark(RemoteEngine):
    """The fields and the runner that Spark on EMR and on EMR Serverless share."""

    endpoint_url: str | None = Field(None, description="Endpoint that is not Amazon's.")
    spark_conf: dg.ResourceDependency[Hidden[Mapping[str, str]]]

    @property
    def _properties(self) -> dict[str, str]:
        return {**encryption(self._access.kms_key_id), **self.spark_conf.value}

    def _runner(self, service: "Service") -> "RemoteRunner":
        from spark_resources.runners.runner import RemoteRunner

        return RemoteRunner(service, self._staging("EMR"), self.deployment, self._poll)


class SparkOnEmr(RemoteSpark):
    """Spark as steps on an EMR cluster that is running already or is started for each job."""

    cluster: str | None = Field(None, description="Id or name of a running cluster.")
    cluster_template: str | None = Field(
        None, description="JSON file of a RunJobFlow request; a cluster is started for each job."
    )
    rates: dict[str, dict[str, float]] = Field(
        {}, description="Size and price of instance types, to estimate the cost of a step."
    )

    def engine(self) -> "SparkEngine":
        """The engine.

        Raises:
            PipelineError: No cluster and no template is set, or the lake is not on S3.
        """
        from pipeline_assets.engines.spark import SparkEngine
        from spark_resources.runners.aws import emr_client
        from spark_resources.runners.emr import EmrSteps
        from spark_resources.runners.emr_config import EmrStepConfig, InstanceRate

        config = EmrStepConfig(
            cluster=self._cluster(),
            deployment=self.deployment,
            spark_conf=self._properties,
            rates={
                name: InstanceRate(int(rate["vcpus"]), rate["memory_gb"], rate["usd_per_hour"])
                for name, rate in self.rates.items()
            },
        )
        client = emr_client(self._region, self.endpoint_url)
        return SparkEngine("emr", self._runner(EmrSteps(client, config)))

    def _cluster(self) -> "ClusterById | ClusterByName | TransientCluster":
        from spark_resources.runners.emr_config import (
            ClusterById,
            ClusterByName,
            TransientCluster,
        )

        if self.cluster_template:
            try:
                return TransientCluster(json.loads(Path(self.cluster_template).read_text()))
            except (OSError, ValueError) as error:
                name = f"{PREFIX}EMR_CLUSTER_TEMPLATE"
                message = f"{name}: {self.cluster_template} is no readable JSON file: {error}"
                raise PipelineError(message) from error
        name = required(self.cluster, "EMR_CLUSTER")
        # EMR gives every cluster an id of this form.
        return ClusterById(name) if name.startswith("j-") else ClusterByName(name)


class SparkOnEmrServerless(RemoteSpark):
    """Spark as jobs of an EMR Serverless application."""

    application_id: str | None = Field(None, description="The application.")
    execution_role_arn: str | None = Field(None, description="Role of its jobs.")
    log_uri: str | None = Field(None, description="s3:// prefix of the drivers' logs.")
    rates: dict[str, float] = Field({}, description="Prices, to estimate the cost of a job run.")

    def engine(self) -> "SparkEngine":
        """The engine.

        Raises:
            PipelineError: The application or its role is not set, or the lake is not on S3.
        """
        from pipeline_assets.engines.spark import SparkEngine
        from spark_resources.runners.aws import emr_serverless_client
        from spark_resources.runners.emr_config import ServerlessRates
        from spark_resources.runners.emr_serverless import EmrServerless, EmrServerlessConfig

        config = EmrServerlessConfig(
            application_id=required(self.application_id, "EMR_SERVERLESS_APPLICATION_ID"),
            execution_role_arn=required(self.execution_role_arn, "EMR_EXECUTION_ROLE_ARN"),
            deployment=self.deployment,
            log_uri=self.log_uri,
            spark_conf=self._properties,
            rates=ServerlessRates(**self.rates) if self.rates else None,
        )
        client = emr_serverless_client(self._region, self.endpoint_url)
        return SparkEngine("emr-serverless", self._runner(EmrServerless(client, config)))


def encryption(kms_key_id: str | None) -> dict[str, str]:
    """Spark properties that make EMR's own S3 client and Hadoop's encrypt what they write.

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
