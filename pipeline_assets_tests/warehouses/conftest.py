from collections.abc import Iterator

import pytest

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.warehouses.postgres import PostgresWarehouse
from pipeline_assets_tests.warehouses.house import House, Kind, house_of


@pytest.fixture(params=["postgres", "redshift"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Which warehouse a test loads into."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def house(kind: Kind, postgres_dsn: SecretDsn, request: pytest.FixtureRequest) -> Iterator[House]:
    """An empty warehouse."""
    if kind == "postgres":
        yield House(PostgresWarehouse(postgres_dsn), postgres_dsn)
        return
    request.getfixturevalue("s3")
    store, bucket = request.getfixturevalue("s3_store"), request.getfixturevalue("bucket")
    with house_of(kind, postgres_dsn, store, bucket) as house:
        yield house
