"""A lake with a few plays, and the API over it."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline_assets import open_lake
from pipeline_assets.iceberg.tables import Lake
from pipeline_assets.reading.sandbox import Sandboxes
from pipeline_assets.serving.app import create_app
from pipeline_assets.serving.service import Limits, QueryService
from pipeline_assets.serving.tokens import Callers
from pipeline_assets_tests.landing.plays import ALL_PLAYS, local_lake, publish

LIMITS = Limits(seconds=2, rows=100, bytes=1 << 20)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path / "lake")
    publish(lake, {"mon": {"ada": 3, "bob": 1}, "tue": {"ada": 2}})
    publish(lake, {"mon": {"ada": 5}}, table=ALL_PLAYS)
    return lake


@pytest.fixture
def service(lake: Lake) -> QueryService:
    read = open_lake(lake.access.warehouse, catalog=lake.access.uri)
    return QueryService(read, Sandboxes(read.engine), LIMITS)


@pytest.fixture
def client(service: QueryService) -> TestClient:
    return TestClient(create_app(service, Callers({})), raise_server_exceptions=False)
