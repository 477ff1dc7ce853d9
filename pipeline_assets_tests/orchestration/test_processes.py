import os
import subprocess
import sys
import time

import dagster as dg
import pytest

from pipeline_assets.orchestration import processes
from pipeline_assets.orchestration.processes import (
    ALIVE_TAG,
    PROCESS_TAG,
    is_alive,
    is_lost,
    signs_of_life,
    this_process,
)


def test_this_process_is_alive() -> None:
    assert is_alive(os.getpid(), time.time())


def test_an_ended_process_is_not() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not is_alive(process.pid, time.time())


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="the system has no /proc")
def test_a_process_that_got_the_id_of_an_ended_one_is_another() -> None:
    an_hour_before_it_started = time.time() - 3600
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert is_alive(process.pid, time.time())
        assert not is_alive(process.pid, an_hour_before_it_started)


def test_another_users_process_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert is_alive(os.getpid(), time.time())


def test_an_id_that_no_system_gives_is_nobody() -> None:
    assert not is_alive(10**30, time.time())


def recorded(instance: dg.DagsterInstance, process: str | None) -> dg.RunRecord:
    """A run that has not ended, as another process sees it."""
    tags = {PROCESS_TAG: process} if process else {}
    run = instance.create_run_for_job(_job(), tags=tags)
    record = instance.get_run_record_by_id(run.run_id)
    assert record
    return record


def _job() -> dg.JobDefinition:
    @dg.job
    def nothing() -> None:
        pass

    return nothing


def test_a_run_is_lost_once_its_process_is_gone(instance: dg.DagsterInstance) -> None:
    place, _, _ = this_process().rpartition("/")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_lost(recorded(instance, this_process()))
    assert is_lost(recorded(instance, f"{place}/{ended.pid}"))
    assert not is_lost(recorded(instance, None)), "Dagster has launched it"


def test_a_run_of_another_container_is_lost_without_signs_of_life(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process ids are others: the same number is no sign that it lives, or that it does not."""
    for process in (f"elsewhere/4026531836/{os.getpid()}", f"elsewhere/4026531836/{2**22 + 1}"):
        run = recorded(instance, process)
        assert not is_lost(run)
        with monkeypatch.context() as patched:
            patched.setattr(processes, "LOST_SECONDS", -1.0)
            assert is_lost(run)


def test_a_process_signs_the_record_of_its_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SIGN_SECONDS", 0.01)
    run_id = recorded(instance, "elsewhere/1/1").dagster_run.run_id
    before = instance.get_run_record_by_id(run_id)
    with signs_of_life(instance, run_id):
        time.sleep(0.3)
    after = instance.get_run_record_by_id(run_id)
    assert before
    assert after
    assert ALIVE_TAG in after.dagster_run.tags
    assert after.update_timestamp > before.update_timestamp
