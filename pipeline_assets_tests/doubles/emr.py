"""EMR and EMR Serverless that behave, and misbehave on demand.

moto keeps their books but runs nothing. A companion thread beside moto's server takes each queued
step or job run, runs its body, walks it through its states, honours cancellation, termination and
``ActionOnFailure``, and uploads the driver's logs as EMR does.
"""

import gzip
import json
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import EndpointConnectionError
from moto.emr.models import Cluster, Step, emr_backends
from moto.emrserverless.models import JobRun, emrserverless_backends
from moto.server import ThreadedMotoServer

from pipeline_assets_tests.doubles.moto_completions import (
    OPEN,
    completed_moto,
    end_step,
    now,
    reset,
)
from spark_resources.job import AuditResult, Job, Manifest
from spark_resources.runners.aws import one_try
from spark_resources.runners.staging import split

ACCOUNT = "123456789012"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipeline"
BUCKET = "lake"
LOGS = f"s3://{BUCKET}/logs"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
INSTANCES = [
    {"InstanceRole": "MASTER", "InstanceType": "m7g.xlarge", "InstanceCount": 1},
    {"InstanceRole": "CORE", "InstanceType": "m7g.2xlarge", "InstanceCount": 2},
]


@dataclass
class Execution:
    """What a body gets: the command, S3, and a way to notice cancellation."""

    command: list[str]
    s3: Any
    cancelled: threading.Event = field(default_factory=threading.Event)
    lines: list[str] = field(default_factory=list)

    def argument(self, name: str) -> str:
        return self.command[self.command.index(name) + 1]

    def job(self) -> Job:
        bucket, key = split(self.argument("--job"))
        return Job.from_json(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    def put_manifest(self, manifest: Manifest) -> None:
        bucket, key = split(self.argument("--manifest"))
        self.s3.put_object(Bucket=bucket, Key=key, Body=manifest.to_json().encode())


Body = Callable[[Execution], int]


def succeed(execution: Execution) -> int:
    """What the entry point would leave behind."""
    job = execution.job()
    execution.lines.append(f"ran {job.sql}")
    audits = (AuditResult("no_nulls", 0),)
    execution.put_manifest(Manifest(job.token, 3, (), audits, facts={"spark": "4.0.2"}))
    return 0


def fail(execution: Execution) -> int:
    execution.lines += [f"frame {n}" for n in range(100)]
    execution.lines.append("pyspark.errors.ArithmeticException: [DIVIDE_BY_ZERO] Division by zero.")
    return 1


def hang(execution: Execution) -> int:
    execution.cancelled.wait(60)
    return 1


def forget_manifest(_: Execution) -> int:
    return 0


def leave_another_manifest(execution: Execution) -> int:
    execution.put_manifest(Manifest("another attempt", 3, (), ()))
    return 0


def leave_garbage(execution: Execution) -> int:
    bucket, key = split(execution.argument("--manifest"))
    execution.s3.put_object(Bucket=bucket, Key=key, Body=b'{"manifest_version": 99}')
    return 0


@dataclass
class AwsDouble:
    """A whole AWS account for one test.

    Attributes:
        body: Runs each step and job run.
        throttled: How many of the next calls to EMR are refused with a throttling error.
        denied: True refuses every call to EMR.
        network: False makes every call to EMR fail before it is sent.
        logs: ``late`` uploads them after half a second, ``missing`` never.
    """

    endpoint: str
    body: Body = succeed
    throttled: int = 0
    denied: bool = False
    network: bool = True
    logs: Literal["prompt", "late", "missing"] = "prompt"
    calls: list[str] = field(default_factory=list)
    executions: dict[str, Execution] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.s3 = self._healthy("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self._workers: list[threading.Thread] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        for execution in self.executions.values():
            execution.cancelled.set()
        for thread in (self._thread, *self._workers):
            thread.join(timeout=10)

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
        """A client whose requests suffer from what this double is told to do."""
        client = self._healthy(service)
        client.meta.events.register("before-send", self._before_send)
        return client

    def _healthy(self, service: str) -> Any:  # noqa: ANN401
        return boto3.client(service, endpoint_url=self.endpoint, config=one_try(), **KEYS)  # type: ignore[call-overload]

    def start_cluster(self, name: str = "shared", *, at_once: int = 1) -> str:
        answer = self._healthy("emr").run_job_flow(
            Name=name,
            StepConcurrencyLevel=at_once,
            **{**cluster_template(), "Instances": {"InstanceGroups": INSTANCES, **keep_alive()}},
        )
        return str(answer["JobFlowId"])

    def start_application(self) -> str:
        answer = self._healthy("emr-serverless").create_application(
            name="shared", releaseLabel="emr-7.9.0", type="SPARK", clientToken="x"
        )
        return str(answer["applicationId"])

    @property
    def clusters(self) -> dict[str, Cluster]:
        clusters: dict[str, Cluster] = emr_backends[ACCOUNT][REGION].clusters
        return clusters

    def steps(self) -> list[Step]:
        return [step for cluster in list(self.clusters.values()) for step in list(cluster.steps)]

    def job_runs(self) -> list[JobRun]:
        runs = emrserverless_backends[ACCOUNT][REGION].job_runs
        return [run for of_application in list(runs.values()) for run in list(of_application)]

    def states(self) -> dict[str, str]:
        """Every step's and job run's state."""
        steps = {step.id: step.state for step in self.steps()}
        return steps | {run.id: run.state for run in self.job_runs()}

    def lose_cluster(self, cluster_id: str) -> None:
        """Somebody terminates it from the console."""
        cluster: Any = self.clusters[cluster_id]
        cluster.last_state_change_reason = "Terminated by user request"
        cluster.terminate()

    def _before_send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        target = request.headers.get("X-Amz-Target", b"")
        text = target.decode() if isinstance(target, bytes) else str(target)
        self.calls.append(text.partition(".")[2] or f"{request.method} {request.url}")
        if not self.network:
            raise EndpointConnectionError(endpoint_url=request.url)
        if self.denied:
            return refusal(request.url, "AccessDeniedException")
        if self.throttled > 0:
            self.throttled -= 1
            return refusal(request.url, "ThrottlingException")
        return None

    def _work(self) -> None:
        while not self._stop.wait(0.005):
            for cluster in list(self.clusters.values()):
                if hasattr(cluster, "supported_products"):  # else moto is still building it
                    self._advance(cluster)
            for run in self.job_runs():
                if run.id not in self.executions:
                    self._start(run.id, _entry_point(run), partial(self._work_off_run, run))
            for id_, state in self.states().items():
                if state == "CANCELLED" and id_ in self.executions:
                    self.executions[id_].cancelled.set()

    def _advance(self, cluster: Cluster) -> None:
        gone = cluster.state in ("TERMINATED", "TERMINATED_WITH_ERRORS")
        for step in list(cluster.steps):
            if gone and step.state in OPEN:
                end_step(step, "CANCELLED", "")
            elif step.state == "PENDING" and _has_room(cluster):
                step.state, step.start_date_time = "RUNNING", now()
                self._start(step.id, step.args, partial(self._work_off_step, cluster, step))
        is_done = cluster.steps and all(step.state not in OPEN for step in cluster.steps)
        if is_done and not cluster.keep_job_flow_alive_when_no_steps and not gone:
            cluster.state = "TERMINATED"

    def _start(self, id_: str, arguments: Sequence[str], work: Callable[[Execution], None]) -> None:
        self.executions[id_] = Execution(list(arguments), self.s3)
        worker = threading.Thread(target=work, args=(self.executions[id_],), daemon=True)
        self._workers.append(worker)
        worker.start()

    def _work_off_step(self, cluster: Cluster, step: Step, execution: Execution) -> None:
        code = _exit_code(self.body, execution)
        if step.state == "RUNNING":
            end_step(step, "FAILED" if code else "COMPLETED", "Unknown Error." if code else "")
        if step.state == "FAILED" and step.action_on_failure == "TERMINATE_CLUSTER":
            cluster.state = "TERMINATED_WITH_ERRORS"
        root = f"{cluster.log_uri.rstrip('/')}/{cluster.id}"
        self._upload_logs(f"{root}/steps/{step.id}", execution)

    def _work_off_run(self, run: JobRun, execution: Execution) -> None:
        run.state = "RUNNING"
        started = time.monotonic()
        code = _exit_code(self.body, execution)
        seconds = math.ceil(time.monotonic() - started)
        run.billed_resource_utilization = _billed(seconds)
        run.total_execution_duration_seconds = seconds
        if run.state == "RUNNING":
            run.state_details = "Job failed, please check complete logs" if code else ""
            run.state = "FAILED" if code else "SUCCESS"
        root = f"{LOGS}/applications/{run.application_id}"
        self._upload_logs(f"{root}/jobs/{run.id}/SPARK_DRIVER", execution)

    def _upload_logs(self, folder: str, execution: Execution) -> None:
        if self.logs == "missing":
            return
        if self.logs == "late":
            time.sleep(0.5)
        for name, lines in (("stderr.gz", execution.lines), ("stdout.gz", [])):
            bucket, key = split(f"{folder}/{name}")
            self.s3.put_object(
                Bucket=bucket, Key=key, Body=gzip.compress("\n".join(lines).encode())
            )


@contextmanager
def aws_server() -> Iterator[str]:
    """moto's server, completed; yields its endpoint."""
    with completed_moto():
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.stop()


@contextmanager
def aws_account(endpoint: str) -> Iterator[AwsDouble]:
    """An account on a server that has no other; everything in it is gone afterwards."""
    reset(ACCOUNT, REGION)
    double = AwsDouble(endpoint)
    try:
        yield double
    finally:
        double.close()
        reset(ACCOUNT, REGION)


def cluster_template() -> dict[str, Any]:
    """What a transient cluster is started from."""
    return {
        "LogUri": LOGS.replace("s3://", "s3n://") + "/",
        "ReleaseLabel": "emr-7.9.0",
        "Applications": [{"Name": "Spark"}],
        "Instances": {"InstanceGroups": INSTANCES},
        "JobFlowRole": "EMR_EC2_DefaultRole",
        "ServiceRole": "EMR_DefaultRole",
        "Tags": [{"Key": "cost-centre", "Value": "7"}],
    }


def keep_alive() -> dict[str, bool]:
    return {"KeepJobFlowAliveWhenNoSteps": True}


def _exit_code(body: Body, execution: Execution) -> int:
    try:
        return body(execution)
    except Exception:
        execution.lines += traceback.format_exc().splitlines()
        return 1


def _billed(seconds: float) -> dict[str, float]:
    """A driver and two executors of four cores each, for a minute at least."""
    hours = max(seconds, 60) / 3600
    return {"vCPUHour": 12 * hours, "memoryGBHour": 48 * hours, "storageGBHour": 60 * hours}


def _has_room(cluster: Cluster) -> bool:
    running = sum(step.state == "RUNNING" for step in cluster.steps)
    return running < cluster.step_concurrency_level


def _entry_point(run: JobRun) -> list[str]:
    driver: Any = run.job_driver
    return list(driver["sparkSubmit"]["entryPointArguments"])


@dataclass
class _Raw:
    """What botocore reads a response's body from."""

    content: bytes

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.content


def refusal(url: str, code: str) -> AWSResponse:
    content = json.dumps({"__type": code, "message": code}).encode()
    headers: Any = {"x-amzn-errortype": code}
    return AWSResponse(url, 400, headers, _Raw(content))
