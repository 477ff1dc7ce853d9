"""Clones of this project on machines like those of newcomers, and what `make` says there."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from pipeline_assets.command.postgres_home import remove

PROJECT: Final = Path(__file__).parents[2]
PATIENCE_SECONDS: Final = 900
_NOT_CLONED: Final = shutil.ignore_patterns(
    ".*_cache", ".venv", ".git", ".dagster*", ".hypothesis", "__pycache__", "*.egg-info"
)
_ONLY_HERE: Final = frozenset({"lake", "landing", "build", "dist", "shared"})
_COMMANDS: Final = {
    "pipeline-assets": "-c 'from pipeline_assets.command.cli import main; main()'",
    "dagster": "-m dagster",
}


@dataclass(frozen=True)
class Machine:
    """What is unlike the machine of whoever wrote the project.

    Attributes:
        folder: The clone's, below one that every account may enter.
        closed: Whether only its owner may enter the folder above the clone, as in ``/root``.
        umask: Of everything that is run.
        environment: Changes to a bare environment; None takes a variable away.
        account: Whose machine it is, if root runs the tests; otherwise it is the tests' own.
    """

    folder: str = "clone"
    closed: bool = False
    umask: int = 0o022
    environment: Mapping[str, str | None] = field(default_factory=dict)
    account: str | None = None


@dataclass(frozen=True)
class Clone:
    """A clone with an environment that has the packages of the one that runs the tests."""

    folder: Path
    machine: Machine

    @property
    def account(self) -> pwd.struct_passwd | None:
        """Who runs everything, unless it is who runs the tests."""
        name = self.machine.account if os.geteuid() == 0 else None
        return pwd.getpwnam(name) if name else None

    def make(self, *words: str) -> str:
        """What ``make`` says; it must succeed and show no stack trace."""
        with self.started(*words) as process:
            said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
        return said

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """``make`` while it runs; its whole process group ends afterwards."""
        account = self.account
        process = subprocess.Popen(
            ["make", *words],
            cwd=self.folder,
            env=self._environment(),
            umask=self.machine.umask,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)

    def _environment(self) -> dict[str, str]:
        home = self.account.pw_dir if self.account else str(Path.home())
        bare = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": home}
        given = {**bare, **self.machine.environment}
        return {name: value for name, value in given.items() if value is not None}


@contextmanager
def cloned(machine: Machine) -> Iterator[Clone]:
    """A clone on a machine, gone afterwards.

    Skips:
        The test, if the machine's account cannot reach the Python that runs the tests.
    """
    with tempfile.TemporaryDirectory(prefix="pipeline-machine-") as name:
        Path(name).chmod(0o711)
        clone = Clone(Path(name) / "home" / machine.folder, machine)
        _require_python(clone)
        shutil.copytree(PROJECT, clone.folder, ignore=_left_out)
        _add_environment(clone.folder)
        _hand_over(clone, Path(name) / "home")
        try:
            yield clone
        finally:
            remove(clone.folder / ".dagster" / "postgres")


def answers(port: int, process: subprocess.Popen[str]) -> bool:
    """Whether the UI answers before the patience ends; its process must not end before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        with suppress(OSError):
            address = f"http://127.0.0.1:{port}/server_info"
            return b"dagster_webserver_version" in urllib.request.urlopen(address).read()
        time.sleep(0.3)
    return False


def _end(process: subprocess.Popen[str]) -> None:
    """End a process group, gently first."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=60)


def _left_out(folder: str, names: list[str]) -> set[str]:
    only_here = _ONLY_HERE & set(names) if Path(folder) == PROJECT else set()
    return {*_NOT_CLONED(folder, names), *only_here}


def _require_python(clone: Clone) -> None:
    account = clone.account
    if account is None:
        return
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import duckdb"],
            cwd="/",
            user=account.pw_uid,
            check=False,
            capture_output=True,
        )
    except PermissionError:
        pytest.skip(f"{account.pw_name} cannot reach {sys.executable}")
    if done.returncode:
        pytest.skip(f"{account.pw_name} cannot use {sys.executable}")


def _add_environment(folder: Path) -> None:
    """A ``.venv`` with this environment's packages, but the clone's code and commands."""
    environment = folder / ".venv"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    installed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    # Python 3.11 reads these files in the locale's encoding, which may be ASCII.
    more = f"import sys; sys.path += {[str(folder), *installed]!a}\n"
    (packages / "clone.pth").write_text(more, encoding="ascii")
    for name, words in _COMMANDS.items():
        command = environment / "bin" / name
        command.write_text(f'#!/bin/sh\nexec .venv/bin/python {words} "$@"\n')
        command.chmod(0o755)
    for installed_as in (".usable", ".ready"):
        (environment / installed_as).touch()


def _hand_over(clone: Clone, home: Path) -> None:
    private = 0o700 if clone.machine.closed else 0o755
    for folder in (home, *clone.folder.relative_to(home).parents):
        (home / folder).chmod(private)
    account = clone.account
    paths = [home, *home.rglob("*")]
    for path in paths:
        if clone.machine.umask == 0o077 and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
        if account:
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
