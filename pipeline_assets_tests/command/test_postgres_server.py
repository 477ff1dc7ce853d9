import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline_assets.command import postgres_home
from pipeline_assets.command.postgres_server import ensure_database, running_postgres
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.read import stream

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

THROWAWAY = {"fsync": "off"}
HOLDER = """
import sys, time
from pathlib import Path
from pipeline_assets.command.postgres_server import running_postgres
with running_postgres(Path(sys.argv[1])):
    Path(sys.argv[2]).touch()
    time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may pass through, which pytest's own is not."""
    before = os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="pipeline-tests-") as path:
        Path(path).chmod(0o711)
        yield Path(path)
    os.umask(before)


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data directory that was set up before."""
    with tempfile.TemporaryDirectory(prefix="pipeline-tests-") as path:
        Path(path).chmod(0o711)
        with running_postgres(Path(path) / "data", THROWAWAY):
            pass
        yield Path(path) / "data"


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postmaster.pid").read_text().split()[0])


def is_up(data_dir: Path) -> bool:
    return (data_dir / "postmaster.pid").exists()


def answer(dsn: SecretDsn) -> object:
    (batch,) = stream(dsn, "SELECT 42 AS answer")
    return batch["answer"][0].as_py()


@contextmanager
def another_holder(data_dir: Path, up: Path) -> Iterator[None]:
    """A process that holds the server until it is killed."""
    command = [sys.executable, "-c", HOLDER, str(data_dir), str(up)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as child:
        until(up.exists)
        yield
        child.kill()


def test_a_server_runs_stops_keeps_its_data_and_takes_settings(folder: Path) -> None:
    with running_postgres(folder / "new" / "data", THROWAWAY) as dsn:
        assert answer(ensure_database(dsn, "it's new")) == 42
    assert not is_up(folder / "new" / "data")
    with running_postgres(folder / "new" / "data", {**THROWAWAY, "work_mem": "7MB"}) as dsn:
        (batch,) = stream(dsn.with_database("it's new"), "SELECT current_setting('work_mem') AS m")
    assert batch["m"].to_pylist() == ["7MB"]


def test_a_database_is_made_once_however_many_ask(postgres_server: SecretDsn) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ensure_database(postgres_server, "asked for"), range(4)))
    assert {answer(dsn) for dsn in made} == {42}


def test_a_path_too_odd_for_a_socket_works(folder: Path) -> None:
    data_dir = folder / "two, words" / ("long" * 25) / "data"
    with running_postgres(data_dir, THROWAWAY) as dsn:
        assert answer(dsn) == 42
        socket_dir = Path(dsn.options["host"])
        assert socket_dir.exists()
    assert not list(socket_dir.glob(".s.PGSQL.*"))


def test_the_last_holder_stops_the_server(data_dir: Path) -> None:
    with running_postgres(data_dir, THROWAWAY) as outer:
        with running_postgres(data_dir, THROWAWAY) as inner:
            assert answer(inner) == 42
        assert answer(outer) == 42
    assert not is_up(data_dir)


def test_other_processes_count_as_holders_until_they_are_killed(
    data_dir: Path, tmp_path: Path
) -> None:
    with another_holder(data_dir, tmp_path / "up"):
        with running_postgres(data_dir) as dsn:
            first = postmaster(data_dir)
            assert answer(dsn) == 42
        assert is_up(data_dir)
    with running_postgres(data_dir) as dsn:
        assert postmaster(data_dir) == first
        assert answer(dsn) == 42
    assert not is_up(data_dir)


def test_a_killed_server_is_started_again(data_dir: Path) -> None:
    with running_postgres(data_dir, THROWAWAY):
        os.kill(postmaster(data_dir), signal.SIGKILL)
    assert is_up(data_dir)
    with running_postgres(data_dir, THROWAWAY) as dsn:
        assert answer(dsn) == 42


def test_a_stale_pid_that_another_process_has_by_now_is_no_obstacle(data_dir: Path) -> None:
    with running_postgres(data_dir, THROWAWAY) as dsn:
        owner = data_dir.stat().st_uid
        names = ("postmaster.pid", ".s.PGSQL.5432.lock")
        left = {data_dir / name: (data_dir / name).read_text() for name in names}
        server = postmaster(data_dir)
        os.kill(server, signal.SIGKILL)
    user = owner if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=user) as neighbour:
        for path, text in left.items():
            path.write_text(text.replace(str(server), str(neighbour.pid), 1))
        with running_postgres(data_dir, THROWAWAY) as dsn:
            assert answer(dsn) == 42
        neighbour.kill()


def test_a_killed_set_up_is_done_again(folder: Path) -> None:
    half = folder / ".data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with running_postgres(folder / "data", THROWAWAY) as dsn:
        assert answer(dsn) == 42


def test_a_folder_with_other_things_is_refused(folder: Path) -> None:
    (folder / "precious.txt").write_text("keep me")
    with (
        pytest.raises(PipelineError, match="holds something else; choose an empty directory"),
        running_postgres(folder, THROWAWAY),
    ):
        pass
    assert (folder / "precious.txt").read_text() == "keep me"


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    version = (data_dir / "PG_VERSION").read_text()
    (data_dir / "PG_VERSION").write_text("9.6\n")
    with (
        pytest.raises(PipelineError, match=r"does not start: .*FATAL.*incompatible"),
        running_postgres(data_dir, THROWAWAY),
    ):
        pass
    (data_dir / "PG_VERSION").write_text(version)


def test_the_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_home, "find_spec", lambda _: None)
    with (
        pytest.raises(PipelineError, match=r"pip install 'pipeline-assets\[demo\]'"),
        running_postgres(folder / "data"),
    ):
        pass
