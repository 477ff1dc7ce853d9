"""Every fault that a query can suffer, provoked on a double that behaves like Athena."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline_assets.engines.athena.queries import AthenaConfig, Queries
from pipeline_assets.errors import PipelineError
from pipeline_assets_tests.doubles.athena import WORKGROUP, Execution, nothing
from pipeline_assets_tests.engines.athena.rig import (
    HOME,
    JOB,
    PATIENCE,
    QUICK,
    InterruptedRunError,
    Rig,
    a_job,
    fail,
    hang,
    only,
)
from spark_resources.runners.janitor import cancel_orphans
from spark_resources.runners.polling import Retries
from spark_resources.runners.staging import Staging
from spark_resources.runners.tokens import attempt_token


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
@pytest.mark.parametrize("error", [InterruptedRunError, KeyboardInterrupt, MemoryError])
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
    with engine.tables.over("dead", HOME, JOB.schema, retries, lambda _: None):
        pass
    engine.tables.drop_left()
    assert rig.left_tables() == ["audit_dead"]
    engine.tables.drop_left(datetime.now(UTC) + timedelta(days=2))
    assert rig.left_tables() == []


def test_a_table_that_cannot_be_dropped_fails_nothing(rig: Rig) -> None:
    engine = rig.engine
    engine.tables.glue.meta.events.register("before-call.glue.DeleteTable", _refuse)
    assert engine.run(JOB, rig.messages.append).rows == 2
    assert rig.left_tables() == [f"audit_{JOB.token}"]
    assert any("could not clean up" in message for message in rig.messages)


def _refuse(**_: object) -> None:
    raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DeleteTable")


def test_an_outage_is_sat_out(rig: Rig) -> None:
    rig.double.network = False
    threading.Timer(0.5, setattr, (rig.double, "network", True)).start()
    assert rig.run().rows == 2
    assert len(rig.double.unloads()) == 1


@pytest.mark.parametrize("role", ["unload-0", "summary"])
def test_an_outage_while_a_query_runs_is_sat_out(rig: Rig, role: str) -> None:
    release = threading.Event()

    def reconnect() -> None:
        rig.double.network = True
        release.set()

    def lose_network(execution: Execution) -> None:
        rig.double.network = False
        threading.Timer(0.5, reconnect).start()
        release.wait(PATIENCE)
        nothing(execution)

    rig.double.before = only(role, lose_network)
    assert rig.run().rows == 2
    assert any("AWS does not answer" in message for message in rig.messages)
    assert len(rig.double.executions) == 3


def test_an_endless_outage_is_a_failure(rig: Rig) -> None:
    rig.double.network = False
    short = replace(rig, poll=replace(QUICK, outage_seconds=0.1, cancel_seconds=0.1))
    assert "AWS out of reach" in short.failure()


def test_a_refusal_is_not_repeated(rig: Rig) -> None:
    rig.double.denied = True
    assert "refused: " in (told := rig.failure())
    assert "AccessDenied" in told
    assert not any("trying again" in message for message in rig.messages)


def test_an_interruption_before_the_answer_cancels_what_was_started(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.double.before = hang
    start: Any = Queries.start

    def start_and_die(*args: object) -> None:
        with monkeypatch.context() as patched:
            # The id of the query is not kept either.
            patched.setattr(Staging, "put", lambda *_: None)
            start(*args)
        raise InterruptedRunError

    monkeypatch.setattr(Queries, "start", start_and_die)
    with pytest.raises(InterruptedRunError):
        rig.run()
    assert set(rig.double.states().values()) == {"CANCELLED"}


def test_the_janitor_leaves_a_query_to_the_run_that_took_it_over(rig: Rig) -> None:
    rig.double.before = hang
    for run in ("killed", "retry"):
        job = replace(JOB, labels={**JOB.labels, "run": run})
        threading.Thread(target=rig.failure, args=(job,), daemon=True).start()
        while rig.engine.staging.owner(JOB.token) != run or not rig.double.executions:
            threading.Event().wait(0.01)
    engine, is_over = rig.engine, "killed".__eq__
    assert cancel_orphans(engine.service, engine.staging, is_over, print) == ()
    assert len(rig.double.executions) == 1


def test_without_the_price_of_its_region_a_query_has_no_cost(rig: Rig) -> None:
    engine = rig.engine
    free = replace(engine.service, config=AthenaConfig(WORKGROUP, "prod"))
    facts = replace(engine, service=free).run(JOB, print).facts
    assert facts["scanned_bytes"] > 0
    assert "estimated_cost_usd" not in facts


def test_tokens_are_asked_for_with_patience(rig: Rig) -> None:
    rig.run()
    rig.double.throttled = 3
    assert rig.next_token() == JOB.token
    rig.double.denied = True
    with pytest.raises(PipelineError, match=r"refused: .*AccessDenied"):
        rig.next_token()
