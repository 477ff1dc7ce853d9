"""What moto's EMR lacks: cancelling steps, queued job runs, client tokens, dashboards."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from unittest import mock

from moto.core.responses import ActionResult
from moto.emr.models import Cluster, Step, emr_backends
from moto.emr.responses import ElasticMapReduceResponse
from moto.emrserverless import urls
from moto.emrserverless.models import EMRServerlessBackend, JobRun, emrserverless_backends
from moto.emrserverless.responses import EMRServerlessResponse
from moto.s3.models import s3_backends

OPEN: Final = ("PENDING", "RUNNING")

_JOB_RUN: Final = "{0}/applications/(?P<applicationId>[^/]+)/jobruns/(?P<jobRunId>[^/]+)"
_start_job_run: Final = EMRServerlessBackend.start_job_run
_list_job_runs: Final = EMRServerlessBackend.list_job_runs


def now() -> datetime:
    """The time as moto keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def reset(account: str, region: str) -> None:
    """Forget everything in an account."""
    emr_backends[account][region].reset()
    emrserverless_backends[account][region].reset()
    s3_backends[account]["aws"].reset()


def end_step(ending: Step, state: str, reason: str) -> None:
    """Bring a step to its end."""
    step: Any = ending
    step.last_state_change_reason = reason
    step.end_date_time = now()
    step.state = state


@contextmanager
def completed_moto() -> Iterator[None]:
    """Complete moto for as long as the context lasts."""
    emr, serverless = ElasticMapReduceResponse, EMRServerlessResponse
    dashboards = {f"{_JOB_RUN}/dashboard$": serverless.dispatch}
    with ExitStack() as patches:
        for patch in (
            mock.patch.object(Cluster, "add_steps", _add_pending_steps),
            mock.patch.object(emr, "cancel_steps", _cancel_steps, create=True),
            mock.patch.object(serverless, "get_dashboard_for_job_run", _dashboard, create=True),
            mock.patch.object(EMRServerlessBackend, "start_job_run", _submit_job_run),
            mock.patch.object(EMRServerlessBackend, "list_job_runs", _list_all_job_runs),
            mock.patch.dict(urls.url_paths, dashboards),
        ):
            patches.enter_context(patch)
        yield


def _add_pending_steps(cluster: Cluster, steps: list[dict[str, Any]]) -> list[Step]:
    added = [Step(state="PENDING", **step) for step in steps]
    cluster.steps.extend(added)
    cluster.state = "RUNNING"
    return added


def _cancel_steps(response: ElasticMapReduceResponse) -> ActionResult:
    ids = response._get_param("StepIds")
    for step in response.backend.clusters[response._get_param("ClusterId")].steps:
        if step.id in ids and step.state in OPEN:
            end_step(step, "CANCELLED", "Cancelled by user")
    infos = [{"StepId": id_, "Status": "SUBMITTED"} for id_ in ids]
    return ActionResult({"CancelStepsInfoList": infos})


def _dashboard(response: EMRServerlessResponse) -> ActionResult:
    return ActionResult({"url": f"https://dashboard/{response._get_param('jobRunId')}"})


def _submit_job_run(backend: EMRServerlessBackend, **request: Any) -> JobRun:  # noqa: ANN401
    for run in backend.job_runs.get(request["application_id"], []):
        if run.client_token == request["client_token"]:
            return run
    with mock.patch("moto.emrserverless.models.JOB_STATUS", "SUBMITTED"):
        run = _start_job_run(backend, **request)
    run.created_at = run.updated_at = now()
    return run


def _list_all_job_runs(backend: EMRServerlessBackend, **request: Any) -> list[JobRun]:  # noqa: ANN401
    backend.job_runs.setdefault(request["application_id"], [])
    # moto compares times with and without zone, and fails.
    return list(_list_job_runs(backend, **{**request, "created_at_after": None}))
