"""Every fault that a query can suffer, provoked on a double that behaves like Athena."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_assets.engines.athena.engine import AthenaEngine
from pipeline_assets.engines.athena.queries import AthenaConfig, Queries
from pipeline_assets.engines.athena.tables import AuditTables
from pipeline_assets.errors import PipelineError
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.doubles.athena import (
    WORKGROUP,
    AthenaDouble,
    Execution,
    athena_account,
    nothing,
)
from pipeline_assets_tests.doubles.athena_sql import Refusal
from pipeline_assets_tests.doubles.emr import REGION, aws_server
from pipeline_assets_tests.engines.athena.lake import lead_to, variables
from pipeline_assets_tests.processes import CONTEXT
from spark_resources.job import Audit, Destination, Job, Manifest
from spark_resources.runners.janitor import cancel_orphans
from spark_resources.runners.polling import PollPolicy, Retries
from spark_resources.runners.staging import Staging
from spark_resources.runners.tokens import attempt_token

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
    token = token or attempt_token("the work", 0)
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

    def next_token(self) -> str:
        return self.engine.token(lambda: "the work", self.messages.append)

    def left_tables(self) -> list[str]:
        tables = self.double.glue.get_tables(DatabaseName="audits")["TableList"]
        return [table["Name"] for table in tables]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws_server() as running:
        yield running


@pytest.fixture
def rig(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with athena_account(endpoint) as double:
        lead_to(double, monkeypatch)
        yield Rig(double)


def only(role: str, hook: Callable[[Execution], None]) -> Callable[[Execution], None]:
    """A hook for queries of one role."""
    return lambda execution: hook(execution) if execution.role == role else nothing(execution)


def hang(execution: Execution) -> None:
    execution.cancelled.wait(PATIENCE)


def fail(reason: str, *, retryable: bool = False) -> Callable[[Execution], None]:
    def hook(_: Execution) -> None:
        raise Refusal(reason, retryable=retryable)

    return hook


def test_a_job_comes_back_with_files_audit_and_cost(rig: Rig) -> None:
    manifest = rig.run()
    assert [(file.partition, file.rows) for file in manifest.files] == [("a", 1), ("b c/ä", 1)]
    assert all(
        file.bytes > 0 and file.uri.startswith(JOB.destination.uri) for file in manifest.files
    )
    assert [(it.name, it.failed) for it in manifest.audits] == [("not_negative", 0)]
    assert manifest.reports["preview"] == ({"n": 0, "key": "a"}, {"n": 1, "key": "b c/ä"})
    facts = manifest.facts
    assert facts["query_ids"] == list(rig.double.executions)
    assert facts["workgroup"] == WORKGROUP
    assert facts["scanned_bytes"] > 0
    assert facts["estimated_cost_usd"] == pytest.approx(2 * 10e6 / 1e12 * 5)
    assert facts["console_url"].endswith(facts["query_ids"][0])
    assert rig.left_tables() == []


def test_failing_rows_are_counted_and_shown(rig: Rig) -> None:
    job = replace(JOB, sql='SELECT -1 AS "n", \'a\' AS "key"')
    (audit,) = rig.run(job).audits
    assert (audit.failed, audit.examples) == (1, ({"n": -1, "key": "a"},))


def test_no_rows_are_no_files(rig: Rig) -> None:
    manifest = rig.run(replace(JOB, sql='SELECT 1 AS "n", \'a\' AS "key" WHERE FALSE'))
    assert (manifest.rows, manifest.files) == (0, ())


def test_more_partitions_than_a_statement_takes_are_several_statements(rig: Rig) -> None:
    keys = [f"k{number:03}" for number in range(250)]
    three = replace(a_job(*keys), sql=a_job(keys[0], keys[120], keys[249]).sql)
    manifest = rig.run(three)
    assert len(rig.double.unloads()) == 3
    assert [file.partition for file in manifest.files] == ["k000", "k120", "k249"]


def test_a_row_of_a_partition_that_nobody_asked_for_is_told(rig: Rig) -> None:
    job = replace(JOB, sql='SELECT 1 AS "n", \'stray\' AS "key"')
    assert "column key must be one of a, b c/ä" in rig.failure(job)


@pytest.mark.parametrize("retryable", [True, False])
def test_the_failure_tells_what_athena_said(rig: Rig, retryable: bool) -> None:
    rig.double.before = fail("TABLE_NOT_FOUND: no such table", retryable=retryable)
    told = rig.failure()
    assert "FAILED: TABLE_NOT_FOUND: no such table" in told
    assert ("may succeed when it is tried again" in told) == retryable
    assert "console_url: https://us-east-1.console.aws.amazon.com/athena" in told


def test_a_retry_of_what_failed_is_another_attempt_beside_its_orphans(rig: Rig) -> None:
    rig.double.after = only("unload-0", fail("EXCEEDED_MEMORY_LIMIT"))
    rig.failure()
    rig.double.after = nothing
    token = rig.next_token()
    assert token == attempt_token("the work", 1)
    manifest = rig.run(a_job("a", "b c/ä", token=token))
    assert {file.uri.split("/")[7] for file in manifest.files} == {token}


def test_throttled_calls_are_repeated(rig: Rig) -> None:
    rig.double.throttled = 5
    assert rig.run().rows == 2
    assert any("ThrottlingException" in message for message in rig.messages)


def test_a_lost_answer_starts_no_second_query(rig: Rig) -> None:
    rig.double.lost_answers = 2
    assert rig.run().rows == 2
    tokens = [execution.token for execution in rig.double.executions.values()]
    assert len(tokens) == len(set(tokens)) == rig.double.starts - 2


def test_a_query_cancelled_by_someone_is_told(rig: Rig) -> None:
    def cancel(execution: Execution) -> None:
        rig.double.client().stop_query_execution(QueryExecutionId=execution.id)

    rig.double.before = only("unload-0", cancel)
    assert "CANCELLED: Query cancelled by user" in rig.failure()


@pytest.mark.parametrize("role", ["unload-0", "summary"])
@pytest.mark.parametrize("error", [InterruptedRunError, KeyboardInterrupt])
def test_any_interruption_cancels_the_queries(
    rig: Rig, role: str, error: type[BaseException]
) -> None:
    rig.double.before = only(role, hang)

    def interrupt(message: str) -> None:
        if any(it.id in message for it in rig.double.executions.values() if it.role == role):
            raise error

    with pytest.raises(error):
        rig.engine.run(JOB, interrupt)
    assert rig.double.states()[role] == "CANCELLED"


def test_a_query_beyond_its_deadline_is_cancelled(rig: Rig) -> None:
    rig.double.before = hang
    told = replace(rig, poll=replace(QUICK, deadline_seconds=0.2)).failure()
    assert "cancelled" in told
    assert set(rig.double.states().values()) == {"CANCELLED"}


def test_a_late_manifest_is_waited_for_and_a_missing_one_is_told(rig: Rig) -> None:
    rig.double.manifest_delay = 0.3
    assert rig.run().rows == 2
    rig.double.manifest_delay = 60
    job = a_job("a", "b", token=attempt_token("other work", 0))
    told = replace(rig, poll=replace(QUICK, log_seconds=0.1)).failure(job)
    assert "succeeded but its manifest s3://lake/tables/_jobs/jobs/" in told


def test_files_that_no_manifest_names_are_not_published(rig: Rig) -> None:
    def leave_a_copy(execution: Execution) -> None:
        bucket, prefix = "lake", JOB.destination.uri.removeprefix("s3://lake/")
        found = rig.double.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][0]["Key"]
        source = {"Bucket": bucket, "Key": found}
        rig.double.s3.copy_object(Bucket=bucket, Key=f"{found}-again", CopySource=source)
        nothing(execution)

    rig.double.after = only("unload-0", leave_a_copy)
    assert "the manifests name files of 2 rows, but there are 3 below" in rig.failure()


def test_who_takes_over_starts_nothing_twice(rig: Rig) -> None:
    """The first process is killed: it neither cancels nor waits for what it started."""
    release = threading.Event()
    rig.double.before = lambda _: nothing(_) if release.wait(PATIENCE) else hang(_)
    killed = threading.Thread(target=rig.run, daemon=True)
    killed.start()
    while not rig.double.executions:
        release.wait(0.01)
    assert rig.next_token() == JOB.token
    threading.Timer(0.2, release.set).start()
    assert rig.run().rows == 2
    killed.join()
    tokens = [execution.token for execution in rig.double.executions.values()]
    assert len(tokens) == len(set(tokens)) == 3

    # What has ended while nobody looked is not run again either.
    assert rig.run(replace(JOB, sql="SELECT another snapshot")).rows == 2
    assert len(rig.double.executions) == 3


def test_an_attempt_that_is_too_old_is_not_taken_over(rig: Rig) -> None:
    rig.run()
    assert rig.next_token() == JOB.token
    (record, *_) = rig.double.s3.list_objects_v2(
        Bucket="lake", Prefix=f"tables/_jobs/jobs/{JOB.token}/queries/"
    )["Contents"]
    since = datetime.now(UTC) - record["LastModified"]
    config = replace(rig.engine.service.config, look_back=since)
    old = replace(rig.engine, service=replace(rig.engine.service, config=config))
    assert old.token(lambda: "the work", print) == attempt_token("the work", 1)


def test_the_janitor_cancels_queries_of_runs_that_are_over(rig: Rig) -> None:
    rig.double.before = hang
    threading.Thread(target=rig.failure, daemon=True).start()
    while not rig.double.executions:
        threading.Event().wait(0.01)
    engine = rig.engine
    assert cancel_orphans(engine.service, engine.staging, lambda _: False, print) == ()
    (cancelled,) = cancel_orphans(engine.service, engine.staging, lambda it: it == "run-1", print)
    assert rig.double.executions[cancelled.id].state == "CANCELLED"
    stranger = replace(engine.service, config=AthenaConfig(WORKGROUP, "other"))
    assert list(stranger.active()) == []


def test_tables_of_killed_audits_are_dropped_later(rig: Rig) -> None:
    engine = rig.engine
    retries = Retries(QUICK, QUICK.outage_seconds, print)
    with engine.tables.over("dead", HOME, JOB.schema, retries):
        assert engine.tables.drop_left() == []
        assert engine.tables.drop_left(datetime.now(UTC) + timedelta(days=2)) == ["audit_dead"]
    assert rig.left_tables() == []


def run_elsewhere(endpoint: str, job: Job) -> None:
    """What a process does that is killed before it comes to an end."""
    os.environ.update(variables(endpoint))
    rig = Rig(AthenaDouble(endpoint))
    rig.run(job)


@pytest.mark.parametrize("role", ["unload-0", "summary"])
def test_a_process_that_is_killed_leaves_what_the_next_one_takes_over(rig: Rig, role: str) -> None:
    release = threading.Event()
    rig.double.before = only(role, lambda _: nothing(_) if release.wait(PATIENCE) else hang(_))
    process = CONTEXT.Process(target=run_elsewhere, args=(rig.double.endpoint, JOB))
    process.start()
    while role not in rig.double.states():
        release.wait(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL

    assert rig.next_token() == JOB.token
    threading.Timer(0.1, release.set).start()
    assert rig.run().rows == 2
    tokens = [execution.token for execution in rig.double.executions.values()]
    assert len(tokens) == len(set(tokens)) == 3
    assert rig.left_tables() == []
