"""A process that is killed, at whatever moment, leaves an attempt that the next one takes over."""

import os
import signal
from collections import Counter
from dataclasses import replace

import boto3

from pipeline_assets_tests.doubles.athena import AthenaDouble
from pipeline_assets_tests.engines.athena.lake import variables
from pipeline_assets_tests.engines.athena.rig import Rig, a_job
from pipeline_assets_tests.processes import in_process
from spark_resources.job import Job
from spark_resources.runners.tokens import attempt_token

MOMENTS = {
    "nothing has started": "athena.StartQueryExecution 1",
    "the first query runs and its id is not kept": "s3.PutObject 2",
    "the first query runs": "athena.GetQueryExecution 1",
    "the files are written": "glue.CreateTable 1",
    "the audit has not started": "athena.StartQueryExecution 2",
    "the audit has ended": "athena.GetQueryResults 1",
    "the table of the audit is left": "glue.DeleteTable 1",
}
"""Before which request a process is killed, and what that means."""


def job_of(moment: str) -> Job:
    """Work of its own for each moment, with an audit of one query."""
    job = a_job("a", "b c/ä", token=attempt_token(moment, 0))
    return replace(job, audit=replace(job.audit, report_sql={}))


def killed_at(endpoint: str, moments: dict[str, str]) -> list[int]:
    """Run jobs in forks of this process, each killed at its moment; how they ended."""
    os.environ.update(variables(endpoint))
    ends = []
    for moment, request in moments.items():
        child = os.fork()
        if not child:
            _run_until(endpoint, job_of(moment), request)
        _, status = os.waitpid(child, 0)
        ends.append(os.waitstatus_to_exitcode(status))
    return ends


def _run_until(endpoint: str, job: Job, request: str) -> None:
    """Run a job in this process, and kill the process before one of its requests."""
    seen: Counter[str] = Counter()

    def kill(event_name: str, **_: object) -> None:
        name = event_name.removeprefix("before-send.")
        seen[name] += 1
        if f"{name} {seen[name]}" == request:
            os.kill(os.getpid(), signal.SIGKILL)

    session = boto3.Session()
    session.events.register("before-send", kill)
    boto3.DEFAULT_SESSION = session
    try:
        Rig(AthenaDouble(endpoint)).run(job)
    finally:
        os._exit(1)


def test_no_query_starts_twice_and_no_row_is_lost_whenever_a_process_is_killed(rig: Rig) -> None:
    ends = in_process(killed_at, rig.double.endpoint, MOMENTS)
    assert ends == [-signal.SIGKILL] * len(MOMENTS)

    for moment in MOMENTS:
        assert rig.next_token(moment) == job_of(moment).token
        manifest = rig.run(job_of(moment))
        assert (manifest.rows, [file.rows for file in manifest.files]) == (2, [1, 1]), moment
    tokens = [execution.token for execution in rig.double.executions.values()]
    assert len(tokens) == len(set(tokens)) == 2 * len(MOMENTS)
    assert rig.left_tables() == []
