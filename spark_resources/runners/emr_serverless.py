"""EMR Serverless: a job is a job run of an application.

The service takes an idempotency key with each request and starts no second job for the same one.
"""

import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from spark_resources.runners.emr import tag_value
from spark_resources.runners.emr_config import ServerlessRates
from spark_resources.runners.service import Outcome, RemoteJob, Status, Submission
from spark_resources.runners.tokens import token_of, token_suffix

if TYPE_CHECKING:
    from types_boto3_emr_serverless import EMRServerlessClient
    from types_boto3_emr_serverless.literals import JobRunStateType
    from types_boto3_emr_serverless.type_defs import (
        ConfigurationOverridesTypeDef,
        JobRunSummaryTypeDef,
        S3MonitoringConfigurationTypeDef,
    )

_ACTIVE: Final[tuple["JobRunStateType", ...]] = (
    "SUBMITTED",
    "PENDING",
    "SCHEDULED",
    "RUNNING",
    "QUEUED",
)
_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "SUCCESS": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "failed",
}
_MINIMUM_TIMEOUT_MINUTES: Final = 5


@dataclass(frozen=True)
class EmrServerlessConfig:
    """Which application, and how Spark runs on it.

    Attributes:
        application_id: The application.
        execution_role_arn: The role of the job, which says what it may do.
        deployment: The name of this deployment, in tags.
        log_uri: Where the service writes the driver's logs.
        spark_conf: Spark properties of every job.
        deadline: The service ends jobs that run longer, even if no runner is left to cancel them.
        look_back: How far back to search for a job to re-attach to.
        rates: Prices of the application's region and architecture; without them no cost is
            estimated.
    """

    application_id: str
    execution_role_arn: str
    deployment: str
    log_uri: str | None = None
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    deadline: timedelta = timedelta(hours=6)
    look_back: timedelta = timedelta(days=2)
    rates: ServerlessRates | None = None


@dataclass(frozen=True)
class EmrServerless:
    """The :class:`.runner.Service` of EMR Serverless."""

    client: "EMRServerlessClient"
    config: EmrServerlessConfig

    name: Final = "emr-serverless"

    def find(self, token: str) -> RemoteJob | None:
        """See :class:`.runner.Service`."""
        for run in self._list(()):
            if run.get("name", "").endswith(token_suffix(token)):
                return RemoteJob(self.config.application_id, run["id"])
        return None

    def start(self, submission: Submission) -> RemoteJob:
        """See :class:`.runner.Service`; the token is the service's idempotency key as well."""
        minutes = math.ceil(self.config.deadline.total_seconds() / 60)
        answer = self.client.start_job_run(
            applicationId=self.config.application_id,
            clientToken=submission.token,
            executionRoleArn=self.config.execution_role_arn,
            name=submission.name,
            jobDriver={
                "sparkSubmit": {
                    "entryPoint": submission.package.script_uri,
                    "entryPointArguments": list(submission.arguments),
                    "sparkSubmitParameters": self._parameters(submission.package.archive_uri),
                }
            },
            configurationOverrides=self._monitoring(),
            tags={key: tag_value(value) for key, value in submission.tags.items()},
            executionTimeoutMinutes=max(minutes, _MINIMUM_TIMEOUT_MINUTES),
        )
        return RemoteJob(answer["applicationId"], answer["jobRunId"], submission.tags)

    def status(self, job: RemoteJob) -> Status:
        """See :class:`.runner.Service`."""
        run = self.client.get_job_run(applicationId=job.parent, jobRunId=job.id)["jobRun"]
        outcome = _OUTCOMES.get(run["state"], "going")
        return Status(run["state"], outcome, run.get("stateDetails") or "")

    def cancel(self, job: RemoteJob) -> None:
        """See :class:`.runner.Service`."""
        self.client.cancel_job_run(applicationId=job.parent, jobRunId=job.id)

    def release(self, job: RemoteJob) -> None:
        """See :class:`.runner.Service`; an application stops by itself."""

    def log_folder(self, job: RemoteJob) -> str | None:
        """See :class:`.runner.Service`."""
        if self.config.log_uri is None:
            return None
        root = self.config.log_uri.rstrip("/")
        return f"{root}/applications/{job.parent}/jobs/{job.id}/SPARK_DRIVER"

    def facts(self, job: RemoteJob) -> Mapping[str, Any]:
        """See :class:`.runner.Service`."""
        run = self.client.get_job_run(applicationId=job.parent, jobRunId=job.id)["jobRun"]
        used = run.get("billedResourceUtilization") or run.get("totalResourceUtilization") or {}
        return {
            "application_id": job.parent,
            "job_run_id": job.id,
            "console_url": self._dashboard(job),
            "duration_seconds": run.get("totalExecutionDurationSeconds", 0),
            **usage(used, self.config.rates),
        }

    def active(self) -> Iterator[RemoteJob]:
        """See :class:`.runner.Service`."""
        for listed in self._list(_ACTIVE):
            run = self.client.get_job_run(
                applicationId=self.config.application_id, jobRunId=listed["id"]
            )["jobRun"]
            tags = run.get("tags", {})
            if tags.get("deployment") == tag_value(self.config.deployment):
                token = token_of(run.get("name", ""))
                yield RemoteJob(self.config.application_id, listed["id"], tags, token)

    def _list(self, states: tuple["JobRunStateType", ...]) -> Iterator["JobRunSummaryTypeDef"]:
        pages = self.client.get_paginator("list_job_runs").paginate(
            applicationId=self.config.application_id,
            createdAtAfter=datetime.now(UTC) - self.config.look_back,
            states=states,
        )
        return (run for page in pages for run in page["jobRuns"])

    def _parameters(self, archive_uri: str) -> str:
        conf = {**self.config.spark_conf, "spark.submit.pyFiles": archive_uri}
        words = (word for key, value in conf.items() for word in ("--conf", f"{key}={value}"))
        return shlex.join(words)

    def _monitoring(self) -> "ConfigurationOverridesTypeDef":
        if self.config.log_uri is None:
            return {}
        logs: S3MonitoringConfigurationTypeDef = {"logUri": self.config.log_uri}
        return {"monitoringConfiguration": {"s3MonitoringConfiguration": logs}}

    def _dashboard(self, job: RemoteJob) -> str | None:
        """A link to the job's Spark UI; a job that never ran has none."""
        try:
            answer = self.client.get_dashboard_for_job_run(
                applicationId=job.parent, jobRunId=job.id
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {
                "ResourceNotFoundException",
                "ValidationException",
            }:
                return None
            raise
        return answer["url"]


def usage(used: Mapping[str, Any], rates: ServerlessRates | None) -> dict[str, float]:
    """Usage of a job run from its ``billedResourceUtilization``, and its cost if it has a price."""
    vcpus, memory = used.get("vCPUHour", 0.0), used.get("memoryGBHour", 0.0)
    told = {"vcpu_hours": round(vcpus, 4), "memory_gb_hours": round(memory, 4)}
    if rates is None:
        return told
    dollars = vcpus * rates.usd_per_vcpu_hour + memory * rates.usd_per_memory_gb_hour
    dollars += used.get("storageGBHour", 0.0) * rates.usd_per_storage_gb_hour
    return {**told, "estimated_cost_usd": round(dollars, 4)}
