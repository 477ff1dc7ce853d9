"""A run whose steps are processes of their own, forked from that of the run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.instance import open_instance
from pipeline_assets.settings import Settings

ROOT = Path(__file__).parents[2]
RUN = f"from {__name__} import execute; execute()"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere steps are not forked")


@dg.op
def early(context: dg.OpExecutionContext) -> dict[str, object]:
    """Tell of the process that it is executed in."""
    context.log.info("said in a step")
    return {"process": os.getpid(), "parent": os.getppid()}


@dg.op
def late(_context: dg.OpExecutionContext, before: dict[str, object]) -> None:
    """The same, and what the step before has told."""
    told = {"early": before, "late": {"process": os.getpid(), "parent": os.getppid()}}
    Path("told.json").write_text(json.dumps(told))


@dg.op
def killed() -> None:
    """End as a process does that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@dg.job(executor_def=Deployment(Settings()).executor)
def steps() -> None:
    """Two steps after one another, and one that is killed."""
    late(early())
    killed()


def execute() -> None:
    """What the process of a run does."""
    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(dg.reconstructable(steps), instance)
        told = json.loads(Path("told.json").read_text())
        told |= {"run": os.getpid(), "id": result.run_id}
        Path("told.json").write_text(json.dumps(told))


def test_each_step_is_a_process_of_the_run_and_one_that_is_killed_fails_alone(
    tmp_path: Path,
) -> None:
    with open_instance(tmp_path, ROOT) as instance:
        # The process finds this module, too, where tests are not on its path by themselves.
        environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        program = [sys.executable, "-W", "ignore", "-c", RUN]
        subprocess.run(program, cwd=tmp_path, env=environment, check=True, timeout=240)
        told = json.loads((tmp_path / "told.json").read_text())
        assert told["early"]["parent"] == told["late"]["parent"] == told["run"]
        assert len({told["run"], told["early"]["process"], told["late"]["process"]}) == 3
        log = instance.all_logs(told["id"])
        (record,) = instance.get_run_records()
    ended = {it.step_key: it.dagster_event for it in log if it.dagster_event and it.step_key}
    assert ended["late"].is_step_success
    assert ended["killed"].is_step_failure
    assert "said in a step" in [it.user_message for it in log]
    assert record.dagster_run.status == dg.DagsterRunStatus.FAILURE
