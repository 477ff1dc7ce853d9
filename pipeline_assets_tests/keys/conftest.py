"""A table for rows by key, in moto's DynamoDB and in dynalite."""

from collections.abc import Iterator

import pytest

from pipeline_assets.keys.client import KeyTable
from pipeline_assets.storage.s3_access import S3Access
from pipeline_assets_tests.doubles.dynamodb import DYNALITE, dynalite, key_store


@pytest.fixture(scope="session")
def dynalite_url() -> Iterator[str]:
    if not DYNALITE.exists():
        pytest.skip("dynalite is not installed below .dynalite; `make test-dynalite` does that")
    with dynalite() as url:
        yield url


@pytest.fixture(params=["moto", pytest.param("dynalite", marks=pytest.mark.dynalite)])
def keys(s3: S3Access, request: pytest.FixtureRequest) -> KeyTable:
    is_moto = request.param == "moto"
    url = s3.endpoint_url if is_moto else request.getfixturevalue("dynalite_url")
    return key_store(str(url)).require()


@pytest.fixture
def moto_keys(s3: S3Access) -> KeyTable:
    """In moto's only: what does not depend on the double."""
    return key_store(str(s3.endpoint_url)).require()
