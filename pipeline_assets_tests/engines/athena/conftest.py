from collections.abc import Iterator

import pytest

from pipeline_assets_tests.doubles.athena import athena_account
from pipeline_assets_tests.doubles.emr import aws_server
from pipeline_assets_tests.engines.athena.lake import lead_to
from pipeline_assets_tests.engines.athena.rig import Rig


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws_server() as running:
        yield running


@pytest.fixture
def rig(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with athena_account(endpoint) as double:
        lead_to(double, monkeypatch)
        yield Rig(double)
