from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.settings import Settings
from pipeline_assets_tests.domains.rentals.world import FILMS, SHOP, World, sql

MakeWorld = Callable[..., World]


def world_in(folder: Path, instance: dg.DagsterInstance, **changes: object) -> World:
    places = {"lake_uri": str(folder / "lake"), "landing_uri": str(folder / "landing")}
    small = {"dagster_home": folder / "dagster", "memory_limit_mib": 512, "threads": 2}
    (folder / "landing").mkdir(exist_ok=True)
    return World(Settings.model_validate({**places, **small, **changes}), instance)


@pytest.fixture
def make_world(tmp_path: Path, instance: dg.DagsterInstance) -> MakeWorld:
    return lambda **changes: world_in(tmp_path, instance, **changes)


@pytest.fixture
def shop(postgres_dsn: SecretDsn) -> SecretDsn:
    """A shop with two customers and two films, and nothing paid yet."""
    sql(postgres_dsn, f"{SHOP}; {FILMS}")
    return postgres_dsn
