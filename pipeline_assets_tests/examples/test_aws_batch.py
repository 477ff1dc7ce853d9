"""The recipe for AWS Batch, tried on a Batch that runs its containers as processes."""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_aws.pipes import PipesS3ContextInjector, PipesS3MessageReader

from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access

RECIPE = Path(__file__).parents[2] / "examples" / "aws_batch.py"
CONTAINER = """
import os, boto3
from dagster_pipes import PipesS3ContextLoader, PipesS3MessageWriter, open_dagster_pipes
client = boto3.client("s3", endpoint_url={endpoint!r}, region_name="us-east-1")
with open_dagster_pipes(
    context_loader=PipesS3ContextLoader(client), message_writer=PipesS3MessageWriter(client)
) as pipes:
    pipes.log.info("counting")
    pipes.report_asset_materialization(metadata={{"rows": pipes.get_extra("rows")}})
"""
ENDINGS = {0: "SUCCEEDED", 1: "FAILED"}


@dataclass
class BatchDouble:
    """Batch: jobs that are submitted, listed by name, described and terminated.

    Attributes:
        container: The program of every job.
        environment: Of the machine that jobs run on.
        answers: How many of the next answers to a submission are lost.
    """

    container: str
    environment: Mapping[str, str]
    answers: int = 0
    jobs: dict[str, tuple[str, subprocess.Popen[bytes]]] = field(default_factory=dict)
    terminated: list[str] = field(default_factory=list)

    def submit_job(
        self,
        jobName: str,  # noqa: N803 - as boto3 names it
        jobQueue: str,  # noqa: N803
        jobDefinition: str,  # noqa: N803
        containerOverrides: Mapping[str, Any],  # noqa: N803
    ) -> dict[str, str]:
        assert (jobQueue, jobDefinition) == ("queue", "definition")
        given = {it["name"]: it["value"] for it in containerOverrides["environment"]}
        process = subprocess.Popen(
            [sys.executable, "-c", self.container], env={**self.environment, **given}
        )
        job = f"job-{len(self.jobs)}"
        self.jobs[job] = (jobName, process)
        if self.answers:
            self.answers -= 1
            raise ConnectionError("the answer is lost")
        return {"jobId": job}

    def list_jobs(self, jobQueue: str, filters: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert jobQueue == "queue"
        (wanted,) = filters[0]["values"]
        found = [job for job, (name, _) in self.jobs.items() if name == wanted]
        return {"jobSummaryList": [{"jobId": job, "status": self.status(job)} for job in found]}

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        found = {"status": self.status(jobs[0]), "statusReason": "Essential container exited"}
        return {"jobs": [found]}

    def status(self, job: str) -> str:
        code = self.jobs[job][1].poll()
        return "RUNNING" if code is None else ENDINGS.get(code, "FAILED")

    def terminate_job(self, jobId: str, reason: str) -> None:  # noqa: N803
        self.terminated.append(f"{jobId}: {reason}")
        self.jobs[jobId][1].kill()
        self.jobs[jobId][1].wait()


@pytest.fixture
def batch(s3: S3Access) -> BatchDouble:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    path = {"PYTHONPATH": ":".join(sys.path)}
    return BatchDouble(CONTAINER.format(endpoint=s3.endpoint_url), {**keys, **path})


def run(
    batch: BatchDouble, store: S3Store, bucket: str, deadline: float = 60, retries: int = 0
) -> dg.ExecuteInProcessResult:
    """An asset that Batch computes."""
    spec = importlib.util.spec_from_file_location("aws_batch", RECIPE)
    assert spec
    assert spec.loader
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    name = bucket.removeprefix("s3://")
    client = recipe.BatchClient(
        batch,
        PipesS3ContextInjector(bucket=name, client=store.client),
        PipesS3MessageReader(bucket=name, client=store.client, interval=0.05),
        poll_seconds=0.05,
        deadline_seconds=deadline,
    )

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=retries))
    def counted(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        computed = client.run(
            context=context, queue="queue", definition="definition", extras={"rows": 3}
        )
        result: dg.MaterializeResult[Any] = computed.get_materialize_result()
        return result

    return dg.materialize([counted], raise_on_error=False)


def test_what_the_container_reports_is_on_the_assets_page(
    batch: BatchDouble, s3_store: S3Store, bucket: str
) -> None:
    result = run(batch, s3_store, bucket)
    assert result.success
    (event,) = result.asset_materializations_for_node("counted")
    assert event.metadata["rows"].value == 3
    assert event.metadata["batch_job"].value == "job-0"
    assert batch.terminated == []


def test_a_job_whose_submission_was_not_answered_is_terminated_by_the_next_attempt(
    batch: BatchDouble, s3_store: S3Store, bucket: str
) -> None:
    batch.answers = 1
    assert run(batch, s3_store, bucket, retries=1).success
    assert len(batch.jobs) == 2
    assert batch.terminated in ([], ["job-0: its step is repeated"])


def test_a_failed_job_fails_the_run_with_its_reason(
    batch: BatchDouble, s3_store: S3Store, bucket: str
) -> None:
    batch.container = "raise SystemExit(1)"
    result = run(batch, s3_store, bucket)
    (failure,) = result.get_step_failure_events()
    told = failure.step_failure_data.error_display_string
    assert "Batch job job-0 failed: Essential container exited" in told


def test_a_job_beyond_its_deadline_is_terminated(
    batch: BatchDouble, s3_store: S3Store, bucket: str
) -> None:
    batch.container = "import time; time.sleep(60)"
    assert not run(batch, s3_store, bucket, deadline=0.1).success
    assert batch.terminated == ["job-0: its Dagster run has ended"]
