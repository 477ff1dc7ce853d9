"""Athena as a resource of Dagster."""

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.resources.remote import RemoteEngine, required
from pipeline_assets.settings import PREFIX
from pipeline_assets.storage.objects import S3Store

if TYPE_CHECKING:
    from pipeline_assets.engines.athena.engine import AthenaEngine


class SqlOnAthena(RemoteEngine):
    """Queries of Athena over the lake's tables in Glue."""

    workgroup: str | None = Field(None, description="Workgroup of the queries.")
    database: str = Field(description="Database of the external tables of audits.")
    usd_per_tb: float | None = Field(None, description="Price of a terabyte scanned.")
    is_in_glue: bool = Field(description="Whether the lake's catalog is Glue.")

    def engine(self) -> "AthenaEngine":
        """The engine.

        Raises:
            PipelineError: No workgroup is set, or Athena does not know the lake's tables.
        """
        from pipeline_assets.engines.athena.engine import AthenaEngine
        from pipeline_assets.engines.athena.queries import AthenaConfig, Queries
        from pipeline_assets.engines.athena.tables import AuditTables
        from spark_resources.runners.aws import athena_client, glue_client

        workgroup = required(self.workgroup, "ATHENA_WORKGROUP")
        staging = self._staging("Athena")
        if not self.is_in_glue:
            raise PipelineError(f"Athena reads tables of Glue: set {PREFIX}CATALOG_URI=glue")
        config = AthenaConfig(workgroup, self.deployment, usd_per_tb=self.usd_per_tb)
        deadline = timedelta(hours=self.deadline_hours)
        return AthenaEngine(
            service=Queries(athena_client(self._region), staging, config),
            tables=AuditTables(glue_client(self._region), self.database, 2 * deadline),
            store=S3Store(self._access),
            poll=self._poll,
        )
