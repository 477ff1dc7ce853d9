"""An engine on the double of Athena, a job, and what may become of its queries."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pipeline_assets.engines.athena.engine import AthenaEngine
from pipeline_assets.engines.athena.queries import AthenaConfig, Queries
from pipeline_assets.engines.athena.tables import AuditTables
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.doubles.athena import WORKGROUP, AthenaDouble, Execution, nothing
from pipeline_assets_tests.doubles.athena_sql import Refusal
from pipeline_assets_tests.doubles.emr import REGION
from spark_resources.job import Audit, Destination, Job, Manifest
from spark_resources.runners.polling import PollPolicy
from spark_resources.runners.staging import Staging
from spark_resources.runners.tokens import attempt_token

WORK = "the work"
HOME = "s3://lake/tables/x/y/data"
PATIENCE = 20
QUICK = PollPolicy(
    first_seconds=0.01,
    longest_seconds=0.05,
    deadline_seconds=30,
    outage_seconds=20,
    log_seconds=5,
    cancel_seconds=5,
)
SUMMARY = (
    'SELECT COUNT(*) AS "rows", COALESCE(COUNT_IF("n" < 0), 0) AS "not_negative" FROM "output"'
)


class InterruptedRunError(BaseException):
    """What Dagster raises in a process that is told to stop."""


def a_job(*keys: str, token: str | None = None) -> Job:
    """A row for each partition."""
    token = token or attempt_token(WORK, 0)
    rows = ", ".join(f"({number}, '{key}')" for number, key in enumerate(keys))
    return Job(
        token=token,
        kind="query",
        inputs={},
        sql=f'SELECT * FROM (VALUES {rows}) AS t("n", "key")',
        schema={"n": "int", "key": "string"},
        destination=Destination(f"{HOME}/{token}", "key", keys),
        audit=Audit(
            SUMMARY,
            {"not_negative": 'SELECT * FROM "output" WHERE "n" < 0 LIMIT 5'},
            {"preview": 'SELECT * FROM "output" ORDER BY "n" LIMIT 2'},
        ),
        labels={"asset": "x/y", "partitions": ",".join(keys), "run": "run-1"},
    )


JOB = a_job("a", "b c/ä")


@dataclass
class Rig:
    """An engine on the double, and what it has said."""

    double: AthenaDouble
    poll: PollPolicy = QUICK
    messages: list[str] = field(default_factory=list)

    @property
    def engine(self) -> AthenaEngine:
        staging = Staging(self.double.s3, "s3://lake/tables/_jobs")
        config = AthenaConfig(WORKGROUP, "prod", usd_per_tb=5.0)
        tables = AuditTables(self.double.glue, "audits")
        store = S3Store(S3Access(self.double.endpoint, REGION))
        return AthenaEngine(
            Queries(self.double.client(), staging, config), tables, store, self.poll
        )

    def run(self, job: Job = JOB) -> Manifest:
        return self.engine.run(job, self.messages.append)

    def failure(self, job: Job = JOB) -> str:
        with pytest.raises(PipelineError) as caught:
            self.run(job)
        return str(caught.value)

    def next_token(self, work: str = WORK) -> str:
        return self.engine.token(lambda: work, self.messages.append)

    def left_tables(self) -> list[str]:
        tables = self.double.glue.get_tables(DatabaseName="audits")["TableList"]
        return [table["Name"] for table in tables]


def only(role: str, hook: Callable[[Execution], None]) -> Callable[[Execution], None]:
    """A hook for queries of one role."""
    return lambda execution: hook(execution) if execution.role == role else nothing(execution)


def hang(execution: Execution) -> None:
    execution.cancelled.wait(PATIENCE)


def fail(reason: str, *, retryable: bool = False) -> Callable[[Execution], None]:
    def hook(_: Execution) -> None:
        raise Refusal(reason, retryable=retryable)

    return hook
