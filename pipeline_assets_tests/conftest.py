import gc
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import botocore.session
import dagster as dg
import hypothesis
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from pipeline_assets.iceberg.catalog import CatalogAccess, sqlite_uri
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.settings import Settings
from pipeline_assets.storage.objects import S3Store
from pipeline_assets.storage.s3_access import S3Access

# Neither timings nor luck decide a test; `--hypothesis-profile=search` looks for new examples.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("house")

MakeSettings = Callable[..., Settings]
SECRET = "secret-of-the-tests"
LONGEST = (
    "test_parity.py",
    "command/test_demo.py",
    "chaos/test_chaos.py",
    "engines/athena/test_parity.py",
    "domains/rentals/test_assets.py",
    "domains/warehouse/test_rows.py",
    "chaos/test_stream.py",
    "domains/ratings/test_assets.py",
    "command/test_isolation.py",
    "orchestration/test_remote_runs.py",
    "test_awkward.py",
    "domains/rentals/test_command.py",
)
"""The files that take longest, the longest first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="write what snapshot tests compare with"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: whichever process had one last would work alone at the end."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


class _OneJava(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """A process takes whole files; one takes all that start Spark, or each would start a Java."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "spark" if _starts_spark(self.config.rootpath / file) else file


@cache
def _starts_spark(file: Path) -> bool:
    return "pytest.mark.spark" in file.read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """What `--dist loadfile` means here."""
    return _OneJava(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Modules stay to the end: to look for garbage in them was an eighth of a test with a lake."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither settings nor credentials of whoever runs the tests reach them."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "PIPELINE_", "DAGSTER_HOME")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture(scope="session", autouse=True)
def _descriptions_of_services_are_read_once() -> Iterator[None]:
    """boto3 reads a megabyte of JSON for every session, which were a quarter of the S3 tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _migrations_are_read_once() -> Iterator[None]:
    """Dagster stamps every new storage as migrated, for which Alembic reads all ninety scripts."""
    read = ScriptDirectory.from_config
    known: dict[str | None, ScriptDirectory] = {}

    def remembered(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in known:
            known[place] = read(config)
        return known[place]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", remembered)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Tests kill processes, not this machine: catalogs and Dagster's storages need no fsync."""

    def hurry(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", hurry)
    yield
    event.remove(Engine, "connect", hurry)


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Settings of a lake and a landing zone below ``tmp_path``, with changes by keyword."""

    def make(**changes: object) -> Settings:
        places = {"lake_uri": str(tmp_path / "lake"), "landing_uri": str(tmp_path / "landing")}
        if str(changes.get("lake_uri")).startswith("s3://"):
            places["catalog_uri"] = sqlite_uri(tmp_path / "dagster" / "catalog.db")
        small = {"dagster_home": tmp_path / "dagster", "memory_limit_mib": 512, "threads": 2}
        return Settings.model_validate({**places, **small, **changes})

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Access]:
    """An S3 that forgets everything when the tests end."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - a second that only S3 tests pay

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Access(f"http://{host}:{port}", "us-east-1")
    server.stop()


@pytest.fixture(scope="session")
def s3_store(s3_server: S3Access) -> S3Store:
    """Its objects; the client takes a while to make and is shared."""
    store = S3Store(s3_server)
    with pytest.MonkeyPatch.context() as environment:
        _set_credentials(environment)
        store.client  # noqa: B018 - made while its credentials are there
    return store


@pytest.fixture
def s3(s3_server: S3Access, monkeypatch: pytest.MonkeyPatch) -> S3Access:
    """Access to that S3, with credentials in the environment that are good for nothing else."""
    _set_credentials(monkeypatch)
    return s3_server


def _set_credentials(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", "key-of-the-tests")
    environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def bucket(s3_store: S3Store) -> str:
    """A fresh bucket, as ``s3://name``."""
    name = f"test-{uuid4().hex[:12]}"
    s3_store.client.create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture
def glue_lake(s3: S3Access, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake in that bucket whose tables are in Glue."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", str(s3.endpoint_url))
    return Lake(CatalogAccess("glue", f"{bucket}/lake", s3))


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
