"""Spark on EMR clusters and on EMR Serverless."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from pipeline_assets.settings.values import Group
from spark_resources.runners.emr_config import InstanceRate, ServerlessRates


class EmrSettings(Group):
    """Spark on EMR clusters and on EMR Serverless."""

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
