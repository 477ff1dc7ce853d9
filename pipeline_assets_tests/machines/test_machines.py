"""`make demo` and `make dev` on newcomers' machines: docs/machines.md has the whole matrix."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pipeline_assets_tests.machines.clones import Clone, Machine, answers, cloned

MACHINES = {
    "a private home under umask 077": Machine(closed=True, umask=0o077),
    "spaces, accents, LANG=C, another zone": Machine(
        folder="Mes projets/données de l'été ✓",
        environment={"LANG": "C", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
    ),
    "a long path and no HOME": Machine(
        folder="/".join(["quite-a-long-folder-name"] * 6), environment={"HOME": None}
    ),
    "another account without a home folder": Machine(
        account="nobody", environment={"HOME": "/nonexistent"}
    ),
}


@pytest.fixture(params=MACHINES.values(), ids=list(MACHINES))
def clone(request: pytest.FixtureRequest) -> Iterator[Clone]:
    with cloned(request.param) as ready:
        yield ready


@pytest.mark.machines
def test_the_demo_and_the_ui_work(clone: Clone, closed_port: int) -> None:
    assert "The lake in" in clone.make("demo", "SCALE=0.01")
    assert "Everything is up to date" in clone.make("demo", "SCALE=0.01")
    with clone.started("dev", f"PORT={closed_port}") as process:
        assert answers(closed_port, process)
    assert clone.folder.parent.exists()
    if clone.machine.closed:
        assert stat.S_IMODE(clone.folder.parent.stat().st_mode) == 0o700


@pytest.mark.machines
def test_two_clones_run_at_once() -> None:
    with ExitStack() as stack:
        clones = [stack.enter_context(cloned(Machine(closed=True))) for _ in range(2)]
        running = [stack.enter_context(each.started("demo", "SCALE=0.01")) for each in clones]
        for process in running:
            said, _ = process.communicate()
            assert process.returncode == 0, said


@pytest.mark.machines
def test_a_taken_port_is_told_in_one_line() -> None:
    with cloned(Machine()) as clone, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with clone.started("dev", f"PORT={port}") as process:
            said, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert f"FAIL port: {port}: address already in use" in said
    assert "Traceback" not in said


@pytest.mark.machines
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_told_in_one_line() -> None:
    with cloned(Machine()) as clone:
        clone.folder.chmod(0o555)
        with clone.started("demo", "SCALE=0.01") as process:
            said, _ = process.communicate(timeout=300)
        clone.folder.chmod(0o755)
    assert process.returncode != 0
    assert "error: Permission denied" in said
    assert "Traceback" not in said
