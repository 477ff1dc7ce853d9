import os
import subprocess
import sys
import time

import pytest

from pipeline_assets.orchestration.processes import is_alive


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
