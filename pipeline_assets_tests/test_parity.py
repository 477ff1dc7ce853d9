"""One definition, every engine: local Spark and the embedded engine publish equal tables."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from pydantic import SecretStr

from pipeline_assets.command.batches import batches
from pipeline_assets.command.postgres_server import ensure_database
from pipeline_assets.command.update import Updater
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.definitions import DATASETS, assets_for, build_definitions, landing_for
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.orchestration.told import register
from pipeline_assets.sample.activity.events import write_activity
from pipeline_assets.sample.movie_reviews import write_movie_reviews
from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.sample.wikipedia.articles import sample_encyclopaedia, write_list
from pipeline_assets.sample.wikipedia.server import Wikipedia, running_wikipedia
from pipeline_assets.settings import EngineName, Settings
from pipeline_assets_tests.spark_resources.conftest import COLD_START

ASSETS = DATASETS.assets

pytestmark = pytest.mark.spark

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]

DOMAINS = ("taobao", "ratings", "music", "rentals", "activity", "pageviews")
EMBEDDED = {"artist_embeddings", "user_embeddings", "similar_artists"}
DAYS = 7
EVENTS_START, MONTH_END = date(2026, 3, 2), date(2026, 2, 28)
NOT_HERE = {"stream_batches", "dump_views"}
"""Tables of a stream and of dump files, which rows that this process reads make on any engine."""
DIFFERENT = {"part_uri", "uri"}
"""Columns that tell where in its own lake a file was put."""
RELATIONAL = [
    asset
    for asset in ASSETS
    if asset.table.namespace in DOMAINS and asset.table.name not in EMBEDDED | NOT_HERE
]


@dataclass(frozen=True)
class Lakes:
    """The same landing zone, computed by two engines."""

    embedded: Deployment
    spark: Deployment


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory, postgres_server: SecretDsn) -> Lakes:
    """Small samples with faults and one shop, updated by either engine."""
    folder = tmp_path_factory.mktemp("parity")
    for write in (write_taobao, write_ratings, write_music):
        write(folder / "landing", scale=0.05, damage=0.02)
    # Categories are alike, and so are splits; each costs Spark twenty seconds.
    for alike in ("amazon_reviews/*Gift_Card*", "taobao/taobao_test*"):
        (second,) = (folder / "landing").glob(alike)
        second.unlink()
    write_activity(folder / "landing", scale=0.2, damage=0.1, end=EVENTS_START + timedelta(days=1))
    write_list(folder / "landing", 0)
    write_movie_reviews(folder / "landing", scale=0.4, damage=0.02, days=DAYS)
    shop = ensure_database(postgres_server, "parity")
    fill_rentals(shop, scale=0.08, days=DAYS)
    with running_wikipedia(Wikipedia(sample_encyclopaedia(MONTH_END))) as wiki:
        embedded, spark = (_updated(folder, it, shop, wiki) for it in ("embedded", "spark"))
    return Lakes(embedded, spark)


def _updated(folder: Path, engine: EngineName, shop: SecretDsn, wiki: Wikipedia) -> Deployment:
    settings = Settings(
        lake_uri=str(folder / engine),
        landing_uri=str(folder / "landing"),
        dagster_home=folder / f"{engine}-home",
        engine=engine,
        spark_conf=COLD_START,
        oltp_dsn=SecretStr(shop.reveal()),
        events_start=EVENTS_START,
        wikimedia_contact="tests@example.org",
        wikimedia_endpoint_url=wiki.url,
        pageviews_start=MONTH_END.replace(day=1),
    )
    deployment = Deployment(settings)
    assets = [it for it in assets_for(settings, ASSETS) if it.table.namespace in DOMAINS]
    read = {spec.key for asset in assets for spec in asset.inputs}
    sources = [source for source in landing_for(settings) if source.key in read]
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = build_definitions(settings, assets=assets)
        updater = Updater(assets, sources, deployment, instance, definitions=definitions)
        listings, outside = updater.listings(), updater.outside()
        register(updater.instance, updater.sources, listings)
        stale = updater.stale(listings, outside)
        # Few customers: on some days, all that the damaged reviews say is rejected.
        outcomes = list(updater.run(batches(stale), accepts=True))
    assert [failure for outcome in outcomes for failure in outcome.failures] == []
    return deployment


@pytest.mark.parametrize("asset", RELATIONAL, ids=lambda asset: asset.name)
def test_tables_are_equal_row_for_row(asset: LakeAsset, lakes: Lakes) -> None:
    published = {it: getattr(lakes, it).lake.read(asset.table) for it in ("embedded", "spark")}
    if not any(state.files for state in published.values()):
        # Nothing of the sample's shop is rejected: every partition is empty on both engines.
        assert published["embedded"].records.keys() == published["spark"].records.keys() != set()
        return
    with duckdb.connect() as connection:
        for engine, state in published.items():
            files = list(state.files)
            connection.execute(
                f"CREATE VIEW {engine} AS FROM read_parquet({files}, hive_partitioning = false)"
            )
        columns = ", ".join(f'"{name}"' for name in _comparable(asset))
        left = f"SELECT {columns} FROM embedded"
        right = f"SELECT {columns} FROM spark"

        assert connection.execute(f"{left} EXCEPT ALL {right}").fetchall() == []
        assert connection.execute(f"{right} EXCEPT ALL {left}").fetchall() == []
        assert (
            connection.execute("DESCRIBE embedded").fetchall()
            == connection.execute("DESCRIBE spark").fetchall()
        )


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_learning_jobs_know_the_same_names(name: str, lakes: Lakes) -> None:
    (asset,) = (asset for asset in ASSETS if asset.key.path == ["music", name])
    key = asset.table.contract.columns[0].name

    names = {
        engine: set(duckdb.read_parquet(list(lake.read(asset.table).files)).project(key).fetchall())
        for engine, lake in (("embedded", lakes.embedded.lake), ("spark", lakes.spark.lake))
    }

    assert names["embedded"]
    assert names["embedded"] == names["spark"]


def _comparable(asset: LakeAsset) -> list[str]:
    names = [column.name for column in asset.table.contract.columns]
    return [name for name in names if name not in DIFFERENT]
