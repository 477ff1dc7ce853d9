"""Every fault that a remote job can suffer, provoked on a double that behaves like EMR."""

import copy
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from pipeline_assets_tests.doubles.emr import (
    LOGS,
    ROLE,
    AwsDouble,
    Execution,
    aws_account,
    aws_server,
    cluster_template,
    fail,
    forget_manifest,
    hang,
    leave_another_manifest,
    leave_garbage,
    succeed,
)
from pipeline_assets_tests.spark_resources.jobs import a_job
from spark_resources.errors import JobFailedError
from spark_resources.job import Job, Manifest
from spark_resources.runners.emr import EmrSteps
from spark_resources.runners.emr_config import (
    ClusterById,
    ClusterByName,
    EmrStepConfig,
    InstanceRate,
    ServerlessRates,
    TransientCluster,
    shared_seconds,
)
from spark_resources.runners.emr_serverless import (
    EmrServerless,
    EmrServerlessConfig,
    usage,
)
from spark_resources.runners.janitor import cancel_orphans
from spark_resources.runners.polling import PollPolicy, Retries
from spark_resources.runners.runner import RemoteRunner
from spark_resources.runners.service import Service
from spark_resources.runners.staging import Staging
from spark_resources.runners.tokens import attempt_token

QUICK = PollPolicy(
    first_seconds=0.01,
    longest_seconds=0.05,
    deadline_seconds=30,
    outage_seconds=20,
    log_seconds=10,
    cancel_seconds=5,
)
RATES = {
    "m7g.xlarge": InstanceRate(vcpus=4, memory_gb=16, usd_per_hour=0.2),
    "m7g.2xlarge": InstanceRate(vcpus=8, memory_gb=32, usd_per_hour=0.4),
}
PRICES = ServerlessRates(usd_per_vcpu_hour=0.05, usd_per_memory_gb_hour=0.006)
JOB = a_job("s3://lake/tables/x", "SELECT 1 AS n", {"n": "int"})


class InterruptedRunError(BaseException):
    """What Dagster raises in a process that is told to stop."""


@dataclass
class Rig:
    """A runner of one kind on the double, and what tests ask about its remote jobs."""

    double: AwsDouble
    runner: RemoteRunner
    messages: list[str]

    def run(self, job: Job = JOB) -> Manifest:
        return self.runner.run(job, self.messages.append)

    def failure(self, job: Job = JOB) -> JobFailedError:
        with pytest.raises(JobFailedError) as caught:
            self.run(job)
        return caught.value

    def states(self) -> list[str]:
        return list(self.double.states().values())

    def polling(self, **changes: float) -> "Rig":
        policy = replace(self.runner.poll, **changes)
        return replace(self, runner=replace(self.runner, poll=policy))


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws_server() as running:
        yield running


@pytest.fixture
def double(endpoint: str) -> Iterator[AwsDouble]:
    with aws_account(endpoint) as account:
        yield account


def emr_rig(double: AwsDouble, cluster: ClusterById | ClusterByName | TransientCluster) -> Rig:
    config = EmrStepConfig(cluster, "prod", {"spark.executor.memory": "4g"}, RATES)
    return rig_of(double, EmrSteps(double.client("emr"), config))


def serverless_rig(double: AwsDouble) -> Rig:
    config = EmrServerlessConfig(
        double.start_application(), ROLE, "prod", log_uri=LOGS, rates=PRICES
    )
    return rig_of(double, EmrServerless(double.client("emr-serverless"), config))


def rig_of(double: AwsDouble, service: Service) -> Rig:
    staging = Staging(double.s3, "s3://lake/staging")
    return Rig(double, RemoteRunner(service, staging, "prod", QUICK), [])


@pytest.fixture(params=["attached", "transient", "serverless"])
def rig(request: pytest.FixtureRequest, double: AwsDouble) -> Rig:
    if request.param == "serverless":
        return serverless_rig(double)
    if request.param == "transient":
        return emr_rig(double, TransientCluster(cluster_template()))
    return emr_rig(double, ClusterById(double.start_cluster()))


def test_a_job_comes_back_with_its_manifest(rig: Rig) -> None:
    manifest = rig.run()
    assert (manifest.token, manifest.rows) == (JOB.token, 3)
    assert manifest.facts["spark"] == "4.0.2"
    assert manifest.facts["engine"] in {"emr", "emr-serverless"}
    assert manifest.facts["console_url"].startswith("https://")
    assert manifest.facts["log_uri"].startswith("s3://lake/logs/")
    assert list(manifest.facts["state_history"])[-1] in {"COMPLETED", "SUCCESS"}
    assert manifest.facts["estimated_cost_usd"] >= 0
    assert manifest.facts["vcpu_hours"] >= 0


def test_the_failure_tells_what_the_driver_said_last(rig: Rig) -> None:
    rig.double.body = fail
    failure = rig.failure()
    assert "FAILED" in failure.reason
    assert failure.log_tail[-1].endswith("[DIVIDE_BY_ZERO] Division by zero.")
    assert len(failure.log_tail) == 30
    for told in ("log_uri: s3://lake/logs/", "console_url: https://", "Division by zero"):
        assert told in str(failure)


def test_late_logs_are_waited_for(rig: Rig) -> None:
    rig.double.body, rig.double.logs = fail, "late"
    assert rig.failure().log_tail[-1].endswith("Division by zero.")


def test_missing_logs_do_not_hide_the_failure(rig: Rig) -> None:
    rig.double.body, rig.double.logs = fail, "missing"
    failure = rig.polling(log_seconds=0.1).failure()
    assert "FAILED" in failure.reason
    assert failure.log_tail[0].startswith("(no driver log at s3://lake/logs/")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (forget_manifest, "wrote no manifest"),
        (leave_another_manifest, "the manifest is another attempt's"),
        (leave_garbage, "its manifest cannot be read"),
    ],
)
def test_success_without_a_manifest_of_its_own_is_failure(
    rig: Rig, body: Callable[[Any], int], told: str
) -> None:
    rig.double.body = body
    assert told in rig.failure().reason


def test_throttled_calls_are_repeated(rig: Rig) -> None:
    rig.double.throttled = 7
    assert rig.run().rows == 3
    assert rig.double.throttled == 0
    assert len(rig.states()) == 1
    assert any("ThrottlingException" in message for message in rig.messages)


def test_an_outage_is_sat_out(rig: Rig) -> None:
    rig.double.network = False
    threading.Timer(0.5, setattr, (rig.double, "network", True)).start()
    assert rig.run().rows == 3
    assert len(rig.states()) == 1


def test_an_outage_while_the_job_runs_is_sat_out(rig: Rig) -> None:
    release = threading.Event()
    rig.double.body = lambda execution: succeed(execution) if release.wait(20) else 1

    def reconnect() -> None:
        rig.double.network = True
        release.set()

    def lose_network(message: str) -> None:
        rig.messages.append(message)
        if "RUNNING" in message:
            rig.double.network = False
            threading.Timer(0.5, reconnect).start()

    assert rig.runner.run(JOB, lose_network).rows == 3
    assert any("AWS does not answer" in message for message in rig.messages)
    assert len(rig.states()) == 1


def test_a_minute_without_network_is_sat_out_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("spark_resources.runners.polling.time.sleep", slept.append)
    monkeypatch.setattr("spark_resources.runners.polling.time.monotonic", lambda: sum(slept))

    def ask() -> str:
        if sum(slept) < 60:
            raise EndpointConnectionError(endpoint_url="https://elasticmapreduce.amazonaws.com")
        return "answer"

    policy = PollPolicy()
    assert Retries(policy, policy.outage_seconds, log=print)(ask) == "answer"


def test_an_endless_outage_is_a_failure(rig: Rig) -> None:
    rig.double.network = False
    assert (
        "AWS out of reach" in rig.polling(outage_seconds=0.1, cancel_seconds=0.1).failure().reason
    )


def test_a_job_beyond_its_deadline_is_cancelled(rig: Rig) -> None:
    rig.double.body = hang
    failure = rig.polling(deadline_seconds=0.5).failure()
    assert "cancelled" in failure.reason
    wait_for(lambda: rig.states() == ["CANCELLED"])


@pytest.mark.parametrize("error", [InterruptedRunError, KeyboardInterrupt, MemoryError])
def test_any_interruption_cancels_the_remote_job(rig: Rig, error: type[BaseException]) -> None:
    rig.double.body = hang

    def interrupt(message: str) -> None:
        if "RUNNING" in message:
            raise error

    with pytest.raises(error):
        rig.runner.run(JOB, interrupt)
    wait_for(lambda: rig.states() == ["CANCELLED"])


def test_an_interruption_before_the_answer_cancels_what_was_started(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.double.body = hang
    service = type(rig.runner.service)
    start: Any = service.start

    def start_and_die(*args: object) -> None:
        start(*args)
        raise InterruptedRunError

    monkeypatch.setattr(service, "start", start_and_die)
    with pytest.raises(InterruptedRunError):
        rig.run()
    wait_for(lambda: rig.states() == ["CANCELLED"])


@dataclass
class LosesAnAnswer:
    """A client that starts a job, loses the first answer, and lists what is new only later."""

    client: Any
    lists_late: bool
    starts: int = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the client
        return getattr(self.client, name)

    def add_job_flow_steps(self, **asked: Any) -> Any:  # noqa: ANN401 - as the client
        return self._lost(self.client.add_job_flow_steps(**asked))

    def run_job_flow(self, **asked: Any) -> Any:  # noqa: ANN401 - as the client
        return self._lost(self.client.run_job_flow(**asked))

    def _lost(self, answer: Any) -> Any:  # noqa: ANN401 - as the client
        self.starts += 1
        if self.starts == 1:
            raise ReadTimeoutError(endpoint_url="https://elasticmapreduce")
        return answer

    def get_paginator(self, name: str) -> Any:  # noqa: ANN401 - as the client
        if self.lists_late and self.starts < 2:
            return SimpleNamespace(paginate=lambda **_: [{"Steps": [], "Clusters": []}])
        return self.client.get_paginator(name)


@pytest.mark.parametrize("kind", ["attached", "transient"])
@pytest.mark.parametrize("lists_late", [False, True])
def test_a_lost_answer_leaves_one_job_that_counts(
    double: AwsDouble, lists_late: bool, kind: str
) -> None:
    """Steps run at once; the one that nobody waits for is cancelled."""
    shared = ClusterById(double.start_cluster(at_once=2)) if kind == "attached" else None
    rig = emr_rig(double, shared or TransientCluster(cluster_template()))
    client = LosesAnAnswer(double.client("emr"), lists_late)
    service = replace(rig.runner.service, emr=client)  # type: ignore[type-var]
    first: list[str] = []

    def body(execution: Execution) -> int:
        first.append("")
        return hang(execution) if lists_late and len(first) == 1 else succeed(execution)

    double.body = body
    rig = replace(rig, runner=replace(rig.runner, service=service))
    assert rig.run().rows == 3
    wait_for(lambda: sorted(rig.states()) == ["CANCELLED", "COMPLETED"][1 - lists_late :])
    assert rig.run().rows == 3, "the next process finds the step that succeeded"
    assert len(rig.states()) == 1 + lists_late


def test_a_retry_re_attaches_to_the_attempt_it_finds(rig: Rig) -> None:
    """The first process is killed: it neither cancels nor waits for what it started."""
    release = threading.Event()
    rig.double.body = lambda execution: succeed(execution) if release.wait(20) else 1
    killed = threading.Thread(target=rig.run, daemon=True)
    killed.start()
    wait_for(lambda: rig.states() == ["RUNNING"])
    threading.Timer(0.2, release.set).start()
    assert rig.run().rows == 3
    assert len(rig.states()) == 1
    killed.join()


def test_a_job_that_ended_while_nobody_looked_is_not_run_again(rig: Rig) -> None:
    rig.run()
    rig.double.body = fail
    assert rig.run().rows == 3
    assert len(rig.states()) == 1


def test_parameters_given_are_not_changed(double: AwsDouble) -> None:
    template = cluster_template()
    before = copy.deepcopy(template)
    emr_rig(double, TransientCluster(template)).run()
    assert template == before


def test_jobs_are_tagged_with_who_runs_them(double: AwsDouble) -> None:
    serverless_rig(double).run()
    emr_rig(double, TransientCluster(cluster_template())).run()
    ours = {"deployment": "prod", "asset": "taobao/impressions", "run": "run-1"}
    [run], [cluster] = double.job_runs(), double.clusters.values()
    assert ours.items() <= (run.tags or {}).items()
    assert {**ours, "cost-centre": "7"}.items() <= cluster._tags.items()
    assert cluster.steps[0].name == "prod: taobao/impressions train [t1]"


def test_a_transient_cluster_is_always_terminated(double: AwsDouble) -> None:
    rig = emr_rig(double, TransientCluster(cluster_template()))
    for number, body in enumerate((succeed, fail, forget_manifest)):
        double.body = body
        job = replace(JOB, token=f"t{number}")
        if body is succeed:
            rig.run(job)
        else:
            rig.failure(job)
    states = {cluster.state for cluster in double.clusters.values()}
    assert len(double.clusters) == 3
    assert states <= {"TERMINATED", "TERMINATED_WITH_ERRORS"}


def test_a_cluster_terminated_by_someone_is_told(double: AwsDouble) -> None:
    cluster_id = double.start_cluster()
    rig = emr_rig(double, ClusterById(cluster_id)).polling(log_seconds=0.1)
    double.body, double.logs = hang, "missing"
    threading.Timer(0.3, double.lose_cluster, (cluster_id,)).start()
    failure = rig.failure()
    assert f"cluster {cluster_id} is TERMINATED" in failure.reason
    assert "Terminated by user request" in failure.reason


def test_a_cluster_that_is_lost_between_two_questions_is_told(double: AwsDouble) -> None:
    cluster_id = double.start_cluster()
    double.body, double.logs = hang, "missing"
    rig = emr_rig(double, ClusterById(cluster_id)).polling(log_seconds=0.1)
    service = rig.runner.service
    assert isinstance(service, EmrSteps)
    late = LostBeforeItsStepIsAsked(double.client("emr"), double, cluster_id)
    runner = replace(rig.runner, service=replace(service, emr=late))  # type: ignore[arg-type]
    failure = replace(rig, runner=runner).failure()
    assert f"cluster {cluster_id} is TERMINATED" in failure.reason


@dataclass(frozen=True)
class LostBeforeItsStepIsAsked:
    """A client that looks at the step only once the cluster is gone and the step cancelled."""

    client: Any
    double: AwsDouble
    cluster_id: str

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the client
        return getattr(self.client, name)

    def describe_step(self, **asked: str) -> Any:  # noqa: ANN401 - as the client
        self.double.lose_cluster(self.cluster_id)
        wait_for(lambda: "CANCELLED" in self.double.states().values())
        return self.client.describe_step(**asked)


def test_clusters_are_found_by_name_newest_first(double: AwsDouble) -> None:
    old = double.start_cluster("nightly")
    double.clusters[old].creation_datetime = double.clusters[old].creation_datetime.replace(
        year=2020
    )
    new = double.start_cluster("nightly")
    double.start_cluster("other")
    manifest = emr_rig(double, ClusterByName("nightly")).run()
    assert manifest.facts["cluster_id"] == new


def test_no_cluster_of_that_name_is_told(double: AwsDouble) -> None:
    failure = emr_rig(double, ClusterByName("nightly")).failure()
    assert "no running EMR cluster" in failure.reason
    assert "nightly" in failure.reason


def test_a_refusal_is_not_repeated(rig: Rig) -> None:
    rig.double.denied = True
    assert "refused: " in (reason := rig.failure().reason)
    assert "AccessDenied" in reason
    assert not any("trying again" in message for message in rig.messages)


@pytest.mark.parametrize("at_once", [1, 2])
def test_two_runs_share_one_cluster(double: AwsDouble, at_once: int) -> None:
    rig = emr_rig(double, ClusterById(double.start_cluster(at_once=at_once)))
    tokens: list[str] = []

    def run(token: str) -> None:
        tokens.append(rig.run(replace(JOB, token=token)).token)

    threads = [threading.Thread(target=run, args=(token,)) for token in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tokens) == ["a", "b"]
    assert rig.states() == ["COMPLETED", "COMPLETED"]


def test_steps_that_run_at_once_share_what_the_cluster_costs() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    spans = {
        name: (noon + timedelta(seconds=begun), noon + timedelta(seconds=ended))
        for name, (begun, ended) in {
            "a": (0, 60),
            "b": (30, 90),
            "c": (30, 45),
            "d": (80, 90),
        }.items()
    }
    shares = {
        name: shared_seconds(span, [spans[other] for other in spans if other != name])
        for name, span in spans.items()
    }
    assert shares == {"a": 30 + 15 / 3 + 15 / 2, "b": 15 / 3 + 15 / 2 + 20 + 5, "c": 5, "d": 5}
    assert sum(shares.values()) == 90, "what the cluster was busy"


def test_without_the_prices_of_its_region_a_job_run_has_no_cost() -> None:
    used = {"vCPUHour": 2.0, "memoryGBHour": 10.0, "storageGBHour": 40.0}
    assert usage(used, PRICES)["estimated_cost_usd"] == pytest.approx(0.16)
    assert usage(used, None) == {"vcpu_hours": 2.0, "memory_gb_hours": 10.0}


def test_two_steps_at_once_are_not_both_charged_the_whole_cluster(double: AwsDouble) -> None:
    rig = emr_rig(double, ClusterById(double.start_cluster(at_once=2)))
    both = threading.Barrier(2)

    def body(execution: Execution) -> int:
        both.wait(10)
        time.sleep(0.5)
        return succeed(execution)

    double.body = body
    facts: list[Mapping[str, Any]] = []
    threads = [
        threading.Thread(target=lambda t=t: facts.append(rig.run(replace(JOB, token=t)).facts))
        for t in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for told in facts:
        whole_cluster = 20 * told["duration_seconds"] / 3600
        assert told["vcpu_hours"] <= 0.75 * whole_cluster


def test_the_janitor_cancels_jobs_of_runs_that_are_over(rig: Rig) -> None:
    rig.double.body = hang
    for run in ("over", "going"):
        job = replace(JOB, token=run, labels={**JOB.labels, "run": run})
        threading.Thread(target=_swallow, args=(rig, job), daemon=True).start()
    wait_for(lambda: len(rig.states()) == 2)
    runner, is_over = rig.runner, "over".__eq__
    cancelled = cancel_orphans(runner.service, runner.staging, is_over, rig.messages.append)
    assert [job.tags["run"] for job in cancelled] == ["over"]
    wait_for(lambda: sorted(rig.states())[0] == "CANCELLED")
    assert sorted(rig.states())[1] != "CANCELLED"


@pytest.mark.parametrize(
    "command",
    [[], ["spark-submit", "--labels"], ["run", "--labels", "team=a"], ["run", "--labels", "[1]"]],
    ids=["nothing", "no labels", "other labels", "a list"],
)
def test_a_strangers_step_on_a_shared_cluster_keeps_the_janitor_from_nothing(
    double: AwsDouble, command: list[str]
) -> None:
    cluster_id = double.start_cluster(at_once=2)
    double.body = hang
    steps = [
        {
            "Name": "somebody's [step]",
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": command},
        }
    ]
    double.client("emr").add_job_flow_steps(JobFlowId=cluster_id, Steps=steps)
    rig = emr_rig(double, ClusterById(cluster_id))
    threading.Thread(target=_swallow, args=(rig, JOB), daemon=True).start()
    wait_for(lambda: len(rig.states()) == 2)
    runner = rig.runner
    cancelled = cancel_orphans(runner.service, runner.staging, lambda _: True, rig.messages.append)
    assert [job.tags["run"] for job in cancelled] == ["run-1"]


def test_the_janitor_leaves_other_deployments_alone(rig: Rig) -> None:
    rig.double.body = hang
    threading.Thread(target=_swallow, args=(rig, JOB), daemon=True).start()
    wait_for(lambda: len(rig.states()) == 1)
    service: Any = rig.runner.service
    stranger = replace(service, config=replace(service.config, deployment="staging"))
    staging = rig.runner.staging
    assert cancel_orphans(stranger, staging, lambda _: True, rig.messages.append) == ()


def test_the_janitor_leaves_a_job_to_the_run_that_took_it_over(rig: Rig) -> None:
    """Tags name the run that was killed; the staged job names the one that waits now."""
    rig.double.body = hang
    for run in ("killed", "retry"):
        job = replace(JOB, labels={**JOB.labels, "run": run})
        threading.Thread(target=_swallow, args=(rig, job), daemon=True).start()
        wait_for(lambda: len(rig.states()) == 1)  # the retry finds it
        wait_for(lambda run=run: rig.runner.staging.owner(JOB.token) == run)  # type: ignore[misc]
    runner, is_over = rig.runner, "killed".__eq__
    assert cancel_orphans(runner.service, runner.staging, is_over, rig.messages.append) == ()


def test_our_package_is_uploaded_once(rig: Rig) -> None:
    rig.run()
    package = rig.double.s3.list_objects_v2(Bucket="lake", Prefix="staging/packages/")["Contents"]
    rig.run(replace(JOB, token="t2"))
    again = rig.double.s3.list_objects_v2(Bucket="lake", Prefix="staging/packages/")["Contents"]
    assert len(package) == 2
    assert [o["LastModified"] for o in again] == [o["LastModified"] for o in package]


def test_a_token_stands_for_an_attempt_at_some_work(rig: Rig) -> None:
    """Equal work under way or done is found again; what came to nothing is tried anew."""
    token = partial(rig.runner.token, lambda: "some work", rig.messages.append)
    first = token()
    assert token() == first
    assert rig.runner.token(lambda: "other work", print) != first
    rig.run(replace(JOB, token=first))
    assert token() == first
    for body in (fail, forget_manifest):
        attempt = attempt_token(body.__name__, 0)
        rig.double.body = body
        rig.failure(replace(JOB, token=attempt))
        assert rig.runner.token(lambda body=body: body.__name__, print) == attempt_token(  # type: ignore[misc]
            body.__name__, 1
        )


def test_tokens_are_asked_for_with_patience(rig: Rig) -> None:
    rig.double.throttled = 3
    assert rig.runner.token(lambda: "some work", rig.messages.append)
    rig.double.denied = True
    with pytest.raises(JobFailedError, match=r"refused: .*AccessDenied"):
        rig.runner.token(lambda: "some work", rig.messages.append)


def _swallow(rig: Rig, job: Job) -> None:
    with pytest.raises(JobFailedError):
        rig.run(job)
