"""What engines have in common whose jobs run on a service of Amazon."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import dagster as dg
from pydantic import Field

from pipeline_assets.engines.engine import Engine
from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.resources.basics import S3
from pipeline_assets.orchestration.resources.part import Part
from pipeline_assets.settings import PREFIX
from pipeline_assets.storage.s3_access import S3_SCHEME, S3Access

if TYPE_CHECKING:
    from spark_resources.runners.polling import PollPolicy
    from spark_resources.runners.service import Swept
    from spark_resources.runners.staging import Staging

IN_PROCESS: Final = frozenset({"embedded", "spark"})
"""Engines that end with the process that uses them."""


class RemoteEngine(Part):
    """The fields that every engine on a service of Amazon has."""

    staging_uri: str = Field(description="s3:// prefix for jobs and manifests.")
    deployment: str = Field(description="Name of this deployment in the tags of remote jobs.")
    poll_seconds: float = Field(description="First pause between two polls of a job, in seconds.")
    deadline_hours: float = Field(description="Hours after which a job is cancelled.")
    s3: dg.ResourceDependency[S3]

    @property
    def _access(self) -> S3Access:
        access: S3Access = self.s3.access()
        return access

    @property
    def _region(self) -> str:
        return self._access.region_name

    @property
    def _poll(self) -> "PollPolicy":
        from spark_resources.runners.polling import PollPolicy

        return PollPolicy(
            first_seconds=self.poll_seconds, deadline_seconds=self.deadline_hours * 3600
        )

    def _staging(self, service: str) -> "Staging":
        """The prefix that jobs travel through.

        Raises:
            PipelineError: The lake is not on S3.
        """
        from spark_resources.runners.staging import Staging

        if not self.staging_uri.startswith(S3_SCHEME):
            raise PipelineError(
                f"{service} needs a lake on S3: set {PREFIX}LAKE_URI=s3://bucket/prefix"
            )
        access = self._access
        return Staging(access.client(), self.staging_uri, kms_key_id=access.kms_key_id)


def remote_runners(engines: Iterable[Engine]) -> "list[Swept]":
    """What a janitor has to look after: jobs that outlive this process, once per service."""
    remote = [engine for engine in engines if engine.name not in IN_PROCESS]
    if not remote:
        return []
    from pipeline_assets.engines.athena.engine import AthenaEngine
    from pipeline_assets.engines.spark import SparkEngine
    from spark_resources.runners.runner import RemoteRunner

    runners = [it.runner if isinstance(it, SparkEngine) else it for it in remote]
    swept = [it for it in runners if isinstance(it, RemoteRunner | AthenaEngine)]
    return list({it.service.name: it for it in swept}.values())


def required(value: str | None, name: str) -> str:
    """The value of a setting.

    Raises:
        PipelineError: It is not set.
    """
    if not value:
        raise PipelineError(f"Setting {PREFIX}{name} is needed for this engine")
    return value
