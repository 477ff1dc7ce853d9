"""Landed files come to the warehouse by update: each table there is the lake's, row for row."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from pydantic import SecretStr

from pipeline_assets.command.postgres_server import ensure_database
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.definitions import DATASETS, assets_for, build_definitions
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.postgres.read import stream
from pipeline_assets.sample.movie_reviews import write_movie_reviews
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.sample.rental_rows import END
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.settings import Settings
from pipeline_assets_tests.doubles.redshift import RedshiftDouble, data_api, redshift
from pipeline_assets_tests.prepared import Prepared
from pipeline_assets_tests.updating import Updated, read_lake, update

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

LOADED = tuple(asset for asset in DATASETS.assets if asset.to_warehouse)
DAYS = 3


def _feeding(assets: tuple[LakeAsset, ...]) -> tuple[LakeAsset, ...]:
    """Some assets, all that they are computed from, and what loads them."""
    keys = {asset.key for asset in assets}
    for asset in reversed(DATASETS.assets):
        if asset.key in keys:
            keys |= {spec.key for spec in asset.inputs}
    loads = {asset.key for asset in DATASETS.assets if asset.export and asset.inputs[0].key in keys}
    named = {asset.name for asset in assets}
    chosen = [it for it in DATASETS.assets if it.key in keys]
    return (*chosen, *(it for it in DATASETS.assets if it.key in loads and _source(it) in named))


def _source(load: LakeAsset) -> str:
    return load.inputs[0].upstream


ASSETS = _feeding(LOADED)


@dataclass(frozen=True)
class World:
    """A lake, and the Postgres that its warehouse is, or that is under the warehouse's double."""

    settings: Settings
    instance: dg.DagsterInstance
    dsn: SecretDsn
    double: RedshiftDouble | None

    def update(self, *names: str) -> Updated:
        assets = assets_for(self.settings, ASSETS)
        read = {spec.key for asset in assets for spec in asset.inputs}
        sources = [source for source in DATASETS.landing if source.key in read]
        definitions = build_definitions(self.settings, assets=ASSETS)
        deployment = Deployment(self.settings)
        updater = Updater(assets, sources, deployment, self.instance, definitions=definitions)
        # Few customers: on some days, all that the damaged reviews say is rejected.
        return update(updater, *names, accepts=True)

    def in_lake(self, asset: LakeAsset) -> Counter[tuple[str, ...]]:
        rows = read_lake(self.settings, ASSETS, f"select {_names(asset)} from {asset.table}")
        return Counter(tuple(map(repr, row)) for row in rows)

    def in_warehouse(self, asset: LakeAsset) -> Counter[tuple[str, ...]]:
        schema = pa.schema(asset.table.contract.schema.to_pyarrow())
        batches = stream(self.dsn, f"SELECT {_names(asset)} FROM {asset.table}", schema=schema)
        rows = [row for batch in batches for row in batch.to_pylist()]
        return Counter(tuple(map(repr, row.values())) for row in rows)


def _listing(asset: LakeAsset) -> str:
    return f"warehouse.{asset.table.name}"


def _names(asset: LakeAsset) -> str:
    return ", ".join(column.name for column in asset.table.contract.columns)


@pytest.fixture(scope="module")
def lake(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: SecretDsn
) -> tuple[Prepared, Settings]:
    """Samples with faults, and what is computed from them before anything is loaded."""
    folder = tmp_path_factory.mktemp("rows")
    shop = ensure_database(postgres_server, "shop_of_rows")
    fill_rentals(shop, scale=0.05, days=DAYS)
    write_taobao(folder / "landing", scale=0.01, damage=0.02)
    write_movie_reviews(folder / "landing", scale=4, damage=0.02, days=DAYS)
    settings = Settings(
        lake_uri=str(folder / "lake"),
        landing_uri=str(folder / "landing"),
        dagster_home=folder / "dagster",
        memory_limit_mib=512,
        threads=2,
        oltp_dsn=SecretStr(shop.reveal()),
        rentals_start=END.fromordinal(END.toordinal() - DAYS),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        updated = World(settings, instance, shop, None).update()
    assert (updated.problems, updated.failures) == ((), ())
    # The landing zone stays as it is: a file that was copied would be a new delivery.
    return Prepared(folder / "lake"), settings


@pytest.fixture(params=["postgres", "redshift-data"])
def world(
    request: pytest.FixtureRequest,
    lake: tuple[Prepared, Settings],
    instance: dg.DagsterInstance,
    postgres_dsn: SecretDsn,
) -> Iterator[World]:
    """That lake, with a warehouse that holds nothing."""
    prepared, without = lake
    prepared.put_back()
    if request.param == "postgres":
        warehouse = SecretStr(postgres_dsn.reveal())
        settings = without.model_copy(update={"warehouse_dsn": warehouse})
        yield World(settings, instance, postgres_dsn, None)
        return
    s3, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
    store = request.getfixturevalue("s3_store")
    with redshift(postgres_dsn, store) as double, data_api(double) as (_, endpoint):
        request.getfixturevalue("monkeypatch").setenv("AWS_ENDPOINT_URL_REDSHIFT_DATA", endpoint)
        there = f"redshift-data:///scratch?workgroup=analytics&staging={bucket}/waiting"
        changes = {
            "warehouse_dsn": SecretStr(there),
            "s3_endpoint_url": s3.endpoint_url,
            "s3_region": s3.region,
        }
        settings = without.model_copy(update=changes)
        yield World(settings, instance, postgres_dsn, double)


def test_every_loaded_table_is_the_lakes_to_the_last_digit(world: World) -> None:
    updated = world.update()
    assert (updated.problems, updated.failures) == ((), ())
    assert {made.partition("[")[0] for made in updated.made} == {it.table.name for it in LOADED}
    assert len(LOADED) == 7
    for asset in LOADED:
        rows = world.in_lake(asset)
        assert rows
        assert world.in_warehouse(asset) == rows, asset.name
        listed = read_lake(world.settings, ASSETS, f"select rows from {_listing(asset)}")
        assert sum(each for (each,) in listed) == rows.total()
    assert world.update().made == ()

    if world.double:
        _a_load_that_fails_leaves_the_old_rows(world, world.double)


def _a_load_that_fails_leaves_the_old_rows(world: World, double: RedshiftDouble) -> None:
    (impressions,) = (it for it in LOADED if it.table.name == "impressions")
    before = world.in_warehouse(impressions)
    write_taobao(Path(world.settings.landing_uri), scale=0.01, seed=7)
    world.update("raw_files", "rejected_rows")
    double.faults.refusals = [(r'^INSERT INTO "?taobao"?\."?impressions"?', "disk full")] * 2
    failures = world.update("impressions").failures
    assert failures
    assert all("disk full" in failure for failure in failures)
    assert world.in_warehouse(impressions) == before != world.in_lake(impressions)
    assert world.update("impressions").failures == ()
    assert world.in_warehouse(impressions) == world.in_lake(impressions)
