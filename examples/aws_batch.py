"""A recipe: an asset that a container computes on AWS Batch, through Dagster Pipes.

Dagster has Pipes clients for ECS, EMR, Glue and Lambda, and none for Batch. This is one, as short
as it can be while it has what matters: a deadline, Batch's reason in the error, a cancelled run
that terminates its job, and an attempt that terminates the job which the one before has lost. Copy
it beside your assets; nothing else here imports it.

The container needs `dagster-pipes` and boto3, and tells what it has made in a few lines:

    from dagster_pipes import PipesS3ContextLoader, PipesS3MessageWriter, open_dagster_pipes

    with open_dagster_pipes(
        context_loader=PipesS3ContextLoader(client), message_writer=PipesS3MessageWriter(client)
    ) as pipes:
        pipes.report_asset_materialization(metadata={"rows": 3})
"""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg

ENDED = ("SUCCEEDED", "FAILED")


class BatchClient(dg.PipesClient):
    """Runs jobs on AWS Batch, and waits for them.

    Args:
        client: boto3's, of `batch`.
        injector: Hands the container its partition and run: `PipesS3ContextInjector`.
        reader: Reads what the container tells: `PipesS3MessageReader`.
        poll_seconds: The pause between two questions.
        deadline_seconds: A longer job is terminated.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - boto3 makes clients at run time
        injector: dg.PipesContextInjector,
        reader: dg.PipesMessageReader,
        poll_seconds: float = 10,
        deadline_seconds: float = 6 * 3600,
    ) -> None:
        self.client, self.injector, self.reader = client, injector, reader
        self.poll_seconds, self.deadline_seconds = poll_seconds, deadline_seconds

    def run(  # type: ignore[override]
        self,
        *,
        context: dg.AssetExecutionContext,
        queue: str,
        definition: str,
        extras: Mapping[str, Any] | None = None,
    ) -> dg.PipesClientCompletedInvocation:
        """Submit a job and wait for its end; whatever interrupts the wait terminates the job.

        Args:
            context: Of the asset.
            queue: Name of the job queue.
            definition: Name of the job definition.
            extras: What the container finds in `pipes.extras`.

        Raises:
            dagster.Failure: The job failed or took too long.
        """
        with dg.open_pipes_session(
            context=context,
            context_injector=self.injector,
            message_reader=self.reader,
            extras=dict(extras or {}),
        ) as session:
            job = self._job(context, queue, definition, session.get_bootstrap_env_vars())
            ended = False
            try:
                self._wait(job)
                ended = True
            finally:
                if not ended:
                    self.client.terminate_job(jobId=job, reason="its Dagster run has ended")
        return dg.PipesClientCompletedInvocation(session, metadata={"batch_job": job})

    def _job(
        self,
        context: dg.AssetExecutionContext,
        queue: str,
        definition: str,
        environment: Mapping[str, str],
    ) -> str:
        """Submit the job; one that the step has lost before, with its answer, is terminated.

        Batch has no idempotency key, but it lists the jobs of a name. A lost job is not taken
        over: it reports to the attempt that has started it.
        """
        step = f"{context.asset_key.to_user_string()}-{context.run.run_id}"
        name = "".join(it if it.isalnum() or it in "-_" else "-" for it in step)[:128]
        named = [{"name": "JOB_NAME", "values": [name]}]
        for lost in self.client.list_jobs(jobQueue=queue, filters=named)["jobSummaryList"]:
            if lost["status"] not in ENDED:
                self.client.terminate_job(jobId=lost["jobId"], reason="its step is repeated")
        values = [{"name": key, "value": value} for key, value in environment.items()]
        submitted = self.client.submit_job(
            jobName=name,
            jobQueue=queue,
            jobDefinition=definition,
            containerOverrides={"environment": values},
        )
        return str(submitted["jobId"])

    def _wait(self, job: str) -> None:
        give_up = time.monotonic() + self.deadline_seconds
        while True:
            (found,) = self.client.describe_jobs(jobs=[job])["jobs"]
            if found["status"] == "SUCCEEDED":
                return
            if found["status"] == "FAILED":
                reason = found.get("container", {}).get("reason") or found.get("statusReason")
                raise dg.Failure(f"Batch job {job} failed: {reason}")
            if time.monotonic() > give_up:
                raise dg.Failure(f"Batch job {job} is {found['status']} after its deadline")
            time.sleep(self.poll_seconds)
